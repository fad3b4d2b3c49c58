using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// AdaRound and BRECQ (algorithms.md 2 and 3.5): learns how the weights of a group are rounded, the step sizes of its activations (LSQ), or both at once, so
/// that the group puts out what it did.
/// </summary>
public static class Reconstructor
{
    /// <summary>The loss's exponent where step sizes are tuned by themselves (algorithms.md 3.5).</summary>
    public const double ActivationPower = 2.4;

    private const int StepsPerPoint = 20;
    private const int States = 20;
    private const int FewestStepsPerState = 250;
    private const int MostStepsPerState = 1_000;

    /// <param name="from">A state to go on from, left by a run of the same problem; null begins.</param>
    /// <param name="leave">Gets a state every few hundred steps.</param>
    /// <param name="progress">Gets the share done.</param>
    /// <returns>
    /// Codes and step sizes that lose no more on all samples than the nearest codes and the step sizes at the beginning; or what the loss did where it was no
    /// number or exploded.
    /// </returns>
    /// <exception cref="OnnxException">The group holds what has no gradient, or shapes that are not known.</exception>
    /// <exception cref="InvalidDataException">The state is none of this problem.</exception>
    public static ReconstructionResult Run(
        ModelRuntime runtime, ReconstructionProblem problem, IActivationSource source, ReconstructionState? from,
        Action<ReconstructionState> leave, Action<double> progress, CancellationToken cancellationToken)
    {
        var matrices = problem.Layers.Select(layer => Matrix<float>.FromRows(layer.Weights, layer.Rows, layer.Columns)).ToList();
        try
        {
            SoftRounding[] roundings = problem.Phase == ReconstructionPhase.Activations ? [] : [.. problem.Layers.Zip(matrices, (layer, matrix) => Rounding(problem.Parameters, layer, matrix))];
            var partition = ModelPartition.Of(problem.Model);
            var boundary = GroupBoundary.Of(problem.Model, partition, [.. problem.Layers.Select(l => l.Name)]).For(problem.Parameters.Loss);
            boundary = problem.HasFloatInputs ? boundary.Mixed() : boundary;
            source = WeightedActivations.Of(source, boundary, problem.Parameters.Loss);
            var power = problem.Phase == ReconstructionPhase.Activations ? ActivationPower : GroupGraph.Square;
            double LossOf(Candidate candidate) => GroupLoss.Of(
                runtime, WithWeights(problem, roundings, candidate.Codes), partition, boundary, source, problem.LossBatch, cancellationToken, candidate.Grids, power);
            var nearest = new Candidate([.. roundings.Select(r => r.Nearest())], problem.Activations);
            var nearestLoss = LossOf(nearest);
            if (roundings.Length == 0 && problem.Activations.Count == 0)
                return new ReconstructionResult(null, "no activation of the group is quantized", nearestLoss, nearestLoss, [], []) { Iterations = 0 };

            var graph = ReconstructionGraph.Build(
                WithWeights(problem, [], []), boundary, [.. problem.Layers.Zip(roundings, (layer, r) => (layer.Name, r))], problem.Activations,
                new StepShape(problem.Parameters.Batch, power, HasMasks: problem.Parameters.Drop is not null));
            var watch = from is null ? new LossWatch(StepsPerPoint, nearestLoss) : LossWatch.From(StepsPerPoint, nearestLoss, from);
            var start = from?.Tensors ?? Start(graph, roundings, problem.Activations);
            Check(graph, start);
            using var runner = new StepRunner(runtime, graph, start, problem.Parameters.Batch);
            var explosion = Tune(problem, new StepFeed(problem, graph, boundary, source), runner, watch, from?.Step ?? 0, leave, progress, cancellationToken);
            if (explosion is not null)
                return new ReconstructionResult(explosion, null, nearestLoss, nearestLoss, watch.Snapshot.Curve, []) { Iterations = problem.Parameters.Iterations, Activations = problem.Activations };

            var state = runner.State();
            float[][] v = [.. graph.Rounded.Select(name => state[name])];
            var tuned = new Candidate(
                [.. roundings.Zip(v, (r, values) => r.Harden(values))], [.. problem.Activations.Zip(graph.Scales, (grid, name) => grid with { Scale = state[name][0] })]);
            var loss = LossOf(tuned);
            var kept = loss <= nearestLoss ? tuned : nearest;
            return new ReconstructionResult(
                null, kept == tuned ? null : NotKept(problem.Phase, loss, nearestLoss), nearestLoss, kept == tuned ? loss : nearestLoss, watch.Snapshot.Curve,
                [.. roundings.Select((r, i) => new RoundedLayer(problem.Layers[i].Name, kept.Codes[i], r.Grids, r.Flipped(kept.Codes[i]), r.Converged(v[i])))])
            {
                Iterations = problem.Parameters.Iterations,
                Activations = kept.Grids,
            };
        }
        finally
        {
            matrices.ForEach(matrix => matrix.Dispose());
        }
    }

    private static string NotKept(ReconstructionPhase phase, double loss, double nearestLoss)
    {
        var (tuned, nearest, kept) = phase switch
        {
            ReconstructionPhase.Weights => ("codes", "the nearest ones", "nearest codes"),
            ReconstructionPhase.Activations => ("step sizes", "those at the beginning", "step sizes as they were found"),
            _ => ("codes and step sizes", "those at the beginning", "nearest codes and step sizes as they were found"),
        };
        return FormattableString.Invariant($"the tuned {tuned} lose {loss:G4} on the calibration samples and {nearest} {nearestLoss:G4}: {kept} kept");
    }

    private static Dictionary<string, float[]> Start(ReconstructionGraph graph, SoftRounding[] roundings, IReadOnlyList<ActivationGrid> grids)
    {
        var start = graph.Rounded.Zip(roundings).ToDictionary(r => r.First, r => r.Second.Start());
        foreach (var (name, grid) in graph.Scales.Zip(grids))
            start[name] = [grid.Scale];
        return start;
    }

    private static string? Tune(
        ReconstructionProblem problem, StepFeed feed, StepRunner runner, LossWatch watch, int done,
        Action<ReconstructionState> leave, Action<double> progress, CancellationToken cancellationToken)
    {
        var (parameters, rates) = (problem.Parameters, StepRates.Of(problem));
        using var options = new RunOptions(cancellationToken);
        var stepsPerState = Math.Clamp(parameters.Iterations / States, FewestStepsPerState, MostStepsPerState);
        for (var step = done + 1; step <= parameters.Iterations; step++)
        {
            feed.Fill(step, runner);
            var (first, second) = ReconstructionGraph.Adam.Corrections(step);
            var (rate, scaleRate, beta, weight) = rates.At(step);
            var (loss, penalty) = runner.Run(
                options, (ReconstructionGraph.Rate, rate), (ReconstructionGraph.ScaleRate, scaleRate), (ReconstructionGraph.Beta, beta),
                (ReconstructionGraph.PenaltyWeight, weight), (TrainingStep.Correction1, first), (TrainingStep.Correction2, second));
            if (watch.Add(step, loss, weight * penalty) is { } explosion)
                return explosion;
            if (step % StepsPerPoint == 0)
                progress(step / (double)parameters.Iterations);
            if (step % stepsPerState == 0 && step < parameters.Iterations)
            {
                var (curve, openLoss, openPenalty, openSteps) = watch.Snapshot;
                leave(new ReconstructionState(step, runner.State(), curve, openLoss, openPenalty, openSteps));
            }
        }

        return null;
    }

    private static SoftRounding Rounding(ReconstructionParameters parameters, LayerToRound layer, Matrix<float> weights) =>
        parameters is { Grid: { } grid, Scheme: { } scheme }
            ? new SoftRounding(weights, GridFit.Rows(weights, layer.Bits, grid, scheme), layer.KeepsZeros)
            : throw new ArgumentException("A phase that tunes no weights has no grid for them.", nameof(parameters));

    /// <summary>The model with the layers' weights as they are, or as their codes say.</summary>
    private static OnnxModel WithWeights(ReconstructionProblem problem, SoftRounding[] roundings, IReadOnlyList<int[]> codes)
    {
        var model = problem.Model.Clone();
        var partition = ModelPartition.Of(model);
        foreach (var (i, layer) in problem.Layers.Index())
            LayerMatrix.Write(partition.Find(layer.Name)!, roundings.Length == 0 ? layer.Weights : roundings[i].Values(codes[i]));
        return model;
    }

    private static void Check(ReconstructionGraph graph, IReadOnlyDictionary<string, float[]> start)
    {
        foreach (var trainable in graph.Step.Trainables)
        {
            var count = trainable.Shape.Aggregate(1L, (a, d) => a * d);
            if (!start.TryGetValue(trainable.Name, out var values) || values.Length != count)
                throw new InvalidDataException($"The state has no '{trainable.Name}' of {count} values: it is none of this group.");
        }
    }

    private sealed record Candidate(IReadOnlyList<int[]> Codes, IReadOnlyList<ActivationGrid> Grids);
}
