using System.Buffers.Binary;
using Orchestrator.Checkpoints;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Units that reconstruct a group: activations into shards, and the tuning itself, which leaves states and does not give up at the first explosion.</summary>
internal sealed class ReconstructUnits(IGroupTuner tuner, ObqFallback fallback)
{
    /// <summary>Code of a rescue: the loss exploded, and the group was tuned again with a lower rate.</summary>
    public const string RateLowered = "rate-lowered";

    /// <summary>Code of a rescue: it exploded again, and OBQ did the group's layers.</summary>
    public const string FellBack = "reconstruction-fell-back";

    /// <summary>Code of a rescue: there is no gradient to weight a group's loss with.</summary>
    public const string Unweighted = "loss-unweighted";

    /// <summary>Tries of a unit: with the rate that was asked for, then with a tenth of it.</summary>
    private const int Tries = 2;

    private const double LowerRate = 0.1;
    internal const string DataName = "calibration data";

    public async Task<UnitMetrics> CaptureAsync(CaptureSpec spec, UnitInputs inputs, IUnitContext context, PreparedModels models)
    {
        var model = await models.GetAsync(inputs.Single(Roles.Model), spec.BatchNorm, inputs);
        var own = spec.Loss == ReconstructionLoss.Mse ? [] : spec.Group.Layers.Where(l => l.IsGiven).Select(l => l.Layer);
        var quantized = await QuantizedAsync([.. spec.Prefix, .. own], spec.BatchNorm, inputs, models);
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), DataName);
        var request = new CaptureRequest(spec, model, quantized, await GridsAsync(inputs), data);
        string? obstacle = null;
        await context.WriteAsync(
            Roles.Activations,
            async (stream, token) => obstacle = await tuner.CaptureAsync(request, piece => stream.WriteAsync(piece, token).AsTask(), context.Report, token), inputs.CancellationToken);
        return new UnitMetrics { Rescues = obstacle is null ? null : [new Rescue(null, Unweighted, $"'{spec.Group.Name}': {obstacle}; all elements of its output count alike")] };
    }

    public async Task<UnitMetrics> TuneAsync(ReconstructSpec spec, string key, UnitInputs inputs, IUnitContext context, PreparedModels models, KernelWidth width)
    {
        var model = await models.GetAsync(inputs.Single(Roles.Model), spec.BatchNorm, inputs);
        var layers = ModelPartition.Of(model).Layers.ToDictionary(layer => layer.Name);
        var weights = new Dictionary<int, float[]>();
        foreach (var (layer, _, _, isGiven) in spec.Group.Layers)
            weights[layer.Index] = isGiven ? await WeightsAsync(layer.Index, inputs) : LayerMatrix.Read(layers[layer.Name]);
        var shards = new List<ActivationShard>();
        try
        {
            foreach (var blob in inputs.All(Roles.Activations))
                shards.Add(ActivationShard.Open(context.FileOf(blob)));
            // The unit's own, so that it draws the same whoever runs it, and other groups draw otherwise.
            var request = new TuningRequest(spec, model, weights, shards, Convert.ToUInt64(key[..16], 16), RateFactor: 1) { Grids = await GridsAsync(inputs) };
            var left = await context.ReadStateAsync(inputs.CancellationToken);
            var (tuned, rate, rescues) = Try(request, left, context, inputs.CancellationToken);
            if (tuned.Explosion is not null)
                tuned = await FallBackAsync(request, tuned, rescues, layers, inputs, width);
            await WriteAsync(tuned, spec, context, inputs.CancellationToken);
            var metrics = Metrics(tuned, spec, rate, rescues, weights);
            return metrics with { Reconstruction = metrics.Reconstruction! with { ResumedFrom = left?.Number } };
        }
        finally
        {
            shards.ForEach(shard => shard.Dispose());
        }
    }

    /// <summary>Goes on from the newest state; a second time with a lower rate where the loss explodes.</summary>
    private (TunedGroup Tuned, double Rate, List<Rescue> Rescues) Try(TuningRequest request, UnitState? left, IUnitContext context, CancellationToken token)
    {
        var parameters = request.Spec.Parameters;
        var (number, from) = (left?.Number ?? 0, left is { } state ? TryState.Open(state.Content) : null);
        var rescues = new List<Rescue>();
        for (var attempt = 0; ; attempt++)
        {
            var factor = Math.Pow(LowerRate, attempt);
            if (attempt > 0)
                rescues.Add(new Rescue(null, RateLowered, $"'{request.Spec.Group.Name}': the loss exploded at a rate of {parameters.Rate}; the group was tuned again at {parameters.Rate * factor}"));
            if (from?.Attempt > attempt)
                continue;
            var tuned = tuner.Tune(
                request with { RateFactor = factor }, from?.Content,
                content => Write(new UnitState(++number, TryState.Of(attempt, content)), context, token), context.Report, token);
            from = null;
            if (tuned.Explosion is null || !tuned.IsTunable || attempt == Tries - 1)
                return (tuned, parameters.Rate * factor, rescues);
        }
    }

    /// <summary>On the pool, whatever the scheduler of the caller: the tuning waits for it on the slot's only thread, where what it awaits would never go on.</summary>
    private static void Write(UnitState state, IUnitContext context, CancellationToken token) => Task.Run(() => context.WriteStateAsync(state, token), token).GetAwaiter().GetResult();

    private async Task<TunedGroup> FallBackAsync(
        TuningRequest request, TunedGroup exploded, List<Rescue> rescues, Dictionary<string, Layer> layers, UnitInputs inputs, KernelWidth width)
    {
        var spec = request.Spec;
        var why = exploded.IsTunable ? $"the loss exploded twice ({exploded.Explosion})" : $"it cannot be tuned ({exploded.Explosion})";
        if (spec.Phase == ReconstructionPhase.Activations)
        {
            rescues.Add(new Rescue(null, FellBack, $"'{spec.Group.Name}': {why}; its step sizes are those that were found before the tuning"));
            return exploded with { Reason = $"{why}: step sizes as they were found", Loss = exploded.NearestLoss };
        }

        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), DataName);
        var solved = new Dictionary<int, TunedLayer>();
        foreach (var member in spec.Group.Layers)
        {
            var (layer, own) = fallback.Solve(request, member, layers[member.Layer.Name], data, width, inputs.CancellationToken);
            solved[member.Layer.Index] = layer;
            rescues.AddRange(own);
            rescues.Add(new Rescue(member.Layer.Name, FellBack, $"{why}; the layer was quantized by OBQ"));
        }

        var hard = solved.ToDictionary(l => l.Key, l => QuantizedWeights.Dequantize(l.Value.Codes, l.Value.Scales, l.Value.Zeros));
        return exploded with { Reason = $"{why}: OBQ instead", Layers = solved, Loss = tuner.LossOf(request, hard, inputs.CancellationToken) };
    }

    private static async Task WriteAsync(TunedGroup tuned, ReconstructSpec spec, IUnitContext context, CancellationToken token)
    {
        if (spec.Phase != ReconstructionPhase.Activations)
        {
            foreach (var (layer, _, _, _) in spec.Group.Layers)
            {
                var result = tuned.Layers[layer.Index];
                await context.WriteValuesAsync($"{Roles.Weights}/{layer.Index}", QuantizedWeights.Dequantize(result.Codes, result.Scales, result.Zeros), token);
                await context.WriteValuesAsync($"{Roles.Codes}/{layer.Index}", result.Codes, token);
                await context.WriteValuesAsync($"{Roles.Scales}/{layer.Index}", result.Scales, token);
                await context.WriteValuesAsync($"{Roles.Zeros}/{layer.Index}", result.Zeros, token);
            }
        }

        if (spec.Phase != ReconstructionPhase.Weights)
            await context.WriteAsync(Roles.StepSizes, tuned.StepSizes ?? throw new InvalidOperationException("The tuning gave no step sizes."), token);
    }

    private static UnitMetrics Metrics(TunedGroup tuned, ReconstructSpec spec, double rate, List<Rescue> rescues, Dictionary<int, float[]> weights) => new()
    {
        Rescues = rescues,
        Reconstruction = new ReconstructionMetrics
        {
            Phase = spec.Phase,
            NearestLoss = tuned.NearestLoss,
            Loss = tuned.Loss,
            Iterations = tuned.Iterations,
            Rate = rate,
            // JSON has no other numbers.
            Curve = [.. tuned.Curve.Where(p => double.IsFinite(p.Loss) && double.IsFinite(p.Penalty))],
            Reason = tuned.Reason,
            Layers = [.. spec.Group.Layers.Select(l => Metrics(l.Layer.Index, tuned.Layers.GetValueOrDefault(l.Layer.Index), weights[l.Layer.Index]))],
        },
    };

    private static ReconstructedLayerMetrics Metrics(int index, TunedLayer? layer, float[] weights) => layer is null
        ? new ReconstructedLayerMetrics(index, null, weights.LongLength, weights.LongCount(w => w == 0), null, null)
        : new ReconstructedLayerMetrics(index, layer.Method, layer.Codes.LongLength, ZerosOf(layer), layer.Flipped, layer.Converged);

    private static long ZerosOf(TunedLayer layer)
    {
        var columns = layer.Codes.Length / layer.Zeros.Length;
        return layer.Codes.Index().LongCount(code => code.Item == layer.Zeros[code.Index / columns]);
    }

    /// <summary>The prepared model with what some layers became.</summary>
    public static async Task<OnnxModel> QuantizedAsync(IReadOnlyList<LayerRef> prefix, BatchNormMode batchNorm, UnitInputs inputs, PreparedModels models)
    {
        var quantized = await models.GetAsync(inputs.Single(Roles.Model), batchNorm, inputs);
        var layers = ModelPartition.Of(quantized).Layers.ToDictionary(layer => layer.Name);
        foreach (var layer in prefix)
            LayerMatrix.Write(layers[layer.Name], await WeightsAsync(layer.Index, inputs));
        return quantized;
    }

    /// <summary>What a layer became: float weights, or codes on their grid.</summary>
    private static async Task<float[]> WeightsAsync(int layer, UnitInputs inputs)
    {
        if (inputs.Has($"{Roles.Weights}/{layer}"))
            return await inputs.ValuesAsync<float>($"{Roles.Weights}/{layer}");
        var codes = await inputs.ValuesAsync<int>($"{Roles.Codes}/{layer}");
        var scales = await inputs.ValuesAsync<float>($"{Roles.Scales}/{layer}");
        var zeros = await inputs.ValuesAsync<int>($"{Roles.Zeros}/{layer}");
        return QuantizedWeights.Dequantize(codes, scales, zeros);
    }

    /// <summary>Initial grids, and those that were tuned in their place.</summary>
    public static async Task<IReadOnlyList<ActivationGrid>> GridsAsync(UnitInputs inputs)
    {
        var blobs = new List<ReadOnlyMemory<byte>>();
        foreach (var blob in inputs.All(Roles.StepSizes))
            blobs.Add(await inputs.BytesAsync(blob));
        return ActivationGrids.Merge(blobs);
    }

    /// <summary>A state of the tuning and the try that it is part of.</summary>
    private sealed record TryState(int Attempt, ReadOnlyMemory<byte> Content)
    {
        public static TryState Open(ReadOnlyMemory<byte> state) => new(BinaryPrimitives.ReadInt32LittleEndian(state.Span), state[sizeof(int)..]);

        public static byte[] Of(int attempt, ReadOnlyMemory<byte> content)
        {
            var state = new byte[sizeof(int) + content.Length];
            BinaryPrimitives.WriteInt32LittleEndian(state, attempt);
            content.CopyTo(state.AsMemory(sizeof(int)));
            return state;
        }
    }
}
