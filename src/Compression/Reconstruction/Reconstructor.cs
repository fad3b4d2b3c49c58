using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>AdaRound and BRECQ's weight phase (algorithms.md 2 and 3.5): learns how the weights of a group are rounded, so that the group puts out what it did.</summary>
public static class Reconstructor
{
    private const int StepsPerPoint = 20;
    private const int States = 20;
    private const int FewestStepsPerState = 250;
    private const int MostStepsPerState = 1_000;

    /// <param name="from">A state to go on from, left by a run of the same problem; null begins.</param>
    /// <param name="leave">Gets a state every few hundred steps.</param>
    /// <param name="progress">Gets the share done.</param>
    /// <returns>Codes that lose no more than the nearest ones on all samples; or what the loss did where it was no number or exploded.</returns>
    /// <exception cref="OnnxException">The group holds what has no gradient, or shapes that are not known.</exception>
    /// <exception cref="NotSupportedException">The parameters weight the loss, or tune or drop activations.</exception>
    /// <exception cref="InvalidDataException">The state is none of this problem.</exception>
    public static ReconstructionResult Run(
        ModelRuntime runtime, ReconstructionProblem problem, IActivationSource source, ReconstructionState? from,
        Action<ReconstructionState> leave, Action<double> progress, CancellationToken cancellationToken)
    {
        if (problem.Parameters is not { Loss: ReconstructionLoss.Mse, ActivationRate: null, Drop: null })
            throw new NotSupportedException("Weights are reconstructed by the squared error, with activations in float.");
        var matrices = problem.Layers.Select(layer => Matrix<float>.FromRows(layer.Weights, layer.Rows, layer.Columns)).ToList();
        try
        {
            SoftRounding[] roundings = [.. problem.Layers.Zip(matrices, (layer, matrix) => Rounding(problem.Parameters, layer, matrix))];
            var partition = ModelPartition.Of(problem.Model);
            var boundary = GroupBoundary.Of(problem.Model, partition, [.. problem.Layers.Select(l => l.Name)]);
            double LossOf(IReadOnlyList<int[]> codes) => GroupLoss.Of(
                runtime, WithCodes(problem, roundings, codes), partition, boundary, source, problem.LossBatch, cancellationToken);
            int[][] nearest = [.. roundings.Select(r => r.Nearest())];
            var nearestLoss = LossOf(nearest);
            var graph = ReconstructionGraph.Build(problem.Model, boundary, [.. problem.Layers.Zip(roundings, (layer, r) => (layer.Name, r))], problem.Parameters.Batch);
            var watch = from is null ? new LossWatch(StepsPerPoint, nearestLoss) : LossWatch.From(StepsPerPoint, nearestLoss, from);
            var start = from?.Tensors ?? graph.Rounded.Zip(roundings).ToDictionary(r => r.First, r => r.Second.Start());
            Check(graph, start);
            using var runner = new StepRunner(runtime, graph, start, problem.Parameters.Batch);
            var explosion = Tune(problem, source, graph, runner, watch, from?.Step ?? 0, leave, progress, cancellationToken);
            if (explosion is not null)
                return new ReconstructionResult(explosion, null, nearestLoss, nearestLoss, watch.Snapshot.Curve, []);

            var state = runner.State();
            float[][] v = [.. graph.Rounded.Select(name => state[name])];
            int[][] tuned = [.. roundings.Zip(v, (r, values) => r.Harden(values))];
            var loss = LossOf(tuned);
            var isKept = loss <= nearestLoss;
            var reason = isKept ? null : FormattableString.Invariant($"the tuned codes lose {loss:G4} on the calibration samples and the nearest ones {nearestLoss:G4}: nearest codes kept");
            var codes = isKept ? tuned : nearest;
            return new ReconstructionResult(
                null, reason, nearestLoss, isKept ? loss : nearestLoss, watch.Snapshot.Curve,
                [.. roundings.Select((r, i) => new RoundedLayer(problem.Layers[i].Name, codes[i], r.Grids, r.Flipped(codes[i]), r.Converged(v[i])))]);
        }
        finally
        {
            matrices.ForEach(matrix => matrix.Dispose());
        }
    }

    private static string? Tune(
        ReconstructionProblem problem, IActivationSource source, ReconstructionGraph graph, StepRunner runner, LossWatch watch, int done,
        Action<ReconstructionState> leave, Action<double> progress, CancellationToken cancellationToken)
    {
        var (parameters, schedule) = (problem.Parameters, RoundingSchedule.Of(problem.Parameters));
        using var options = new RunOptions(cancellationToken);
        var minibatch = new int[parameters.Batch];
        var stepsPerState = Math.Clamp(parameters.Iterations / States, FewestStepsPerState, MostStepsPerState);
        for (var step = done + 1; step <= parameters.Iterations; step++)
        {
            StepDraws.Minibatch(problem.Seed, step, source.Samples, minibatch);
            foreach (var input in graph.Inputs)
                Fill(source, input, minibatch, runner.Input(input));
            var (first, second) = ReconstructionGraph.Adam.Corrections(step);
            var weight = schedule.PenaltyWeight(step);
            var (loss, penalty) = runner.Run(
                options, (ReconstructionGraph.Rate, parameters.Rate * problem.RateFactor), (ReconstructionGraph.Beta, schedule.Beta(step)),
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

    private static void Fill(IActivationSource source, GroupInput input, int[] minibatch, Span<float> into)
    {
        var elements = into.Length / minibatch.Length;
        for (var i = 0; i < minibatch.Length; i++)
            source.Read(minibatch[i], input.Value, into.Slice(i * elements, elements));
    }

    private static SoftRounding Rounding(ReconstructionParameters parameters, LayerToRound layer, Matrix<float> weights) =>
        parameters is { Grid: { } grid, Scheme: { } scheme }
            ? new SoftRounding(weights, GridFit.Rows(weights, layer.Bits, grid, scheme), layer.KeepsZeros)
            : throw new ArgumentException("A phase that tunes no weights has no grid for them.", nameof(parameters));

    private static OnnxModel WithCodes(ReconstructionProblem problem, SoftRounding[] roundings, IReadOnlyList<int[]> codes)
    {
        var model = problem.Model.Clone();
        var partition = ModelPartition.Of(model);
        for (var i = 0; i < roundings.Length; i++)
            LayerMatrix.Write(partition.Find(problem.Layers[i].Name)!, roundings[i].Values(codes[i]));
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
}
