using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Worker.Units;

/// <summary>Reconstruction of weights, step sizes of activations, or both, one group at a time.</summary>
internal sealed class GroupTuner(ModelRuntime runtime) : IGroupTuner
{
    public Task<string?> CaptureAsync(CaptureRequest request, Func<ReadOnlyMemory<byte>, Task> write, Action<double> progress, CancellationToken cancellationToken)
    {
        var spec = request.Spec;
        var boundary = BoundaryOf(request.Model, ModelPartition.Of(request.Model), spec.Group).For(spec.Loss);
        boundary = spec.Floats == true ? boundary.Mixed() : boundary;
        if (spec is { Grid: { } grid, Scheme: { } scheme })
        {
            var own = ModelPartition.Of(request.Quantized);
            foreach (var member in spec.Group.Layers)
                NearestCodes.Write(Find(own, member.Layer.Name), member.Bits, grid, scheme, member.StartsPruned);
        }

        // Gradients are those of a network that is float behind the group.
        var reached = boundary.Gradient is null ? null : GroupBoundary.Upstream(request.Model.Graph, boundary.Output);
        FakeQuantization.Insert(request.Quantized, request.Grids.Where(grid => reached?.Contains(grid.Value) != false));
        return ActivationCapture.RunAsync(
            runtime, request.Model, request.Quantized, boundary, request.Data, spec.Preprocess,
            new SampleWindow(spec.First, spec.Count, spec.Batch), write, progress, cancellationToken);
    }

    public TunedGroup Tune(TuningRequest request, ReadOnlyMemory<byte>? from, Action<ReadOnlyMemory<byte>> leave, Action<double> progress, CancellationToken cancellationToken)
    {
        var spec = request.Spec;
        var partition = ModelPartition.Of(request.Model);
        LayerToRound[] layers = [.. spec.Group.Layers.Select(member => ToRound(member, partition, request.Weights[member.Layer.Index]))];
        var problem = new ReconstructionProblem(request.Model, layers, spec.Parameters, request.Seed, request.RateFactor, spec.Batch)
        {
            Phase = spec.Phase,
            Activations = GridsOf(request, partition),
            HasFloatInputs = spec.Parameters.Drop is not null && BoundaryOf(request.Model, partition, spec.Group).Mixed().Floats.All(request.Shards[0].Values.Contains),
        };
        ReconstructionResult result;
        try
        {
            result = Reconstructor.Run(
                runtime, problem, new ShardedActivations(request.Shards), from is { } state ? ReconstructionState.Open(state) : null,
                left => leave(left.ToBytes()), progress, cancellationToken);
        }
        catch (OnnxException e)
        {
            return Untuned(request, partition, $"{e.Subject}: {e.Message}", cancellationToken);
        }

        var method = result.Reason is not null ? "rtn" : layers.Length == 1 ? "adaround" : "brecq";
        var tuned = spec.Group.Layers.Zip(result.Layers).ToDictionary(pair => pair.First.Layer.Index, pair => ToTuned(pair.Second, method));
        return new TunedGroup(
            result.Explosion, result.Reason, result.NearestLoss, result.Loss, result.Iterations, result.Curve, tuned,
            spec.Activations is null ? null : ActivationGrids.ToBytes(result.Activations));
    }

    public double LossOf(TuningRequest request, IReadOnlyDictionary<int, float[]> weights, CancellationToken cancellationToken)
    {
        var model = request.Model.Clone();
        var partition = ModelPartition.Of(model);
        foreach (var (layer, _, _, _) in request.Spec.Group.Layers)
            LayerMatrix.Write(Find(partition, layer.Name), weights[layer.Index]);
        var loss = request.Spec.Parameters.Loss;
        var boundary = BoundaryOf(model, partition, request.Spec.Group).For(loss);
        var source = WeightedActivations.Of(new ShardedActivations(request.Shards), boundary, loss);
        return GroupLoss.Of(runtime, model, partition, boundary, source, request.Spec.Batch, cancellationToken, GridsOf(request, partition));
    }

    /// <summary>A group for which there is no graph of a step.</summary>
    private TunedGroup Untuned(TuningRequest request, ModelPartition partition, string obstacle, CancellationToken cancellationToken)
    {
        float[] Start(GroupLayer member) => request.Spec is { Phase: not ReconstructionPhase.Activations, Parameters: { Grid: { } grid, Scheme: { } scheme } }
            ? NearestCodes.Of(request.Weights[member.Layer.Index], Find(partition, member.Layer.Name), member.Bits, grid, scheme, member.StartsPruned)
            : request.Weights[member.Layer.Index];
        var loss = LossOf(request, request.Spec.Group.Layers.ToDictionary(member => member.Layer.Index, Start), cancellationToken);
        var stepSizes = request.Spec.Activations is null ? null : ActivationGrids.ToBytes(GridsOf(request, partition));
        return new TunedGroup(obstacle, null, loss, loss, 0, [], new Dictionary<int, TunedLayer>(), stepSizes) { IsTunable = false };
    }

    /// <summary>Initial grids of what the group computes, in graph order.</summary>
    /// <exception cref="InvalidDataException">A value has none, or one of other bits.</exception>
    private static List<ActivationGrid> GridsOf(TuningRequest request, ModelPartition partition)
    {
        if (request.Spec.Activations is not { } activations)
            return [];
        var given = request.Grids.ToDictionary(grid => grid.Value);
        var grids = new List<ActivationGrid>();
        foreach (var place in ActivationPlaces.Within(request.Model, partition, BoundaryOf(request.Model, partition, request.Spec.Group), activations))
        {
            grids.Add(given.GetValueOrDefault(place.Value) is { } grid && grid.Bits == place.Bits
                ? grid
                : throw new InvalidDataException($"The step sizes have no grid of {place.Bits} bits for '{place.Value}'."));
        }

        return grids;
    }

    private static GroupBoundary BoundaryOf(OnnxModel model, ModelPartition partition, GroupSpec group) =>
        GroupBoundary.Of(model, partition, [.. group.Layers.Select(l => l.Layer.Name)]);

    private static LayerToRound ToRound(GroupLayer member, ModelPartition partition, float[] weights)
    {
        var layer = Find(partition, member.Layer.Name);
        return new LayerToRound(layer.Name, weights, layer.Rows, layer.Columns, member.Bits, member.StartsPruned);
    }

    private static TunedLayer ToTuned(RoundedLayer layer, string method) =>
        new(layer.Codes, [.. layer.Grids.Select(g => g.Scale)], [.. layer.Grids.Select(g => g.Zero)], layer.Flipped, layer.Converged) { Method = method };

    private static Layer Find(ModelPartition partition, string name) =>
        partition.Find(name) ?? throw new InvalidOperationException($"The model has no layer '{name}'.");
}
