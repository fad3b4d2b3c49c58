using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Puts every layer's result into the prepared model, corrects it, and writes it.</summary>
internal static class AssembleUnit
{
    private const string WiderCodes = "wider-codes";
    private const string OpsetRaised = "opset-raised";

    public static async Task<UnitMetrics> RunAsync(AssembleSpec spec, UnitInputs inputs, IUnitContext context, ModelRuntime runtime)
    {
        var model = ModelPreparation.Prepare(await inputs.ModelAsync(inputs.Single(Roles.Model)), spec.BatchNorm);
        var partition = ModelPartition.Of(model);
        var layers = partition.Layers.ToDictionary(layer => layer.Name);
        var activations = spec.Activations is null ? null : await ActivationQuantizers.ReadAsync(model, partition, inputs);
        var quantized = new List<LayerCodes>();
        var rescues = new List<Rescue>();
        var opset = model.Opset;
        using var spill = spec.External == true ? new ExternalWeights() : null;
        foreach (var entry in spec.Layers)
        {
            var layer = layers[entry.Layer.Name];
            if (entry.Bits is not { } bits)
            {
                LayerMatrix.Write(layer, Completed(layer, await inputs.ValuesAsync<float>($"{Roles.Weights}/{entry.Layer.Index}")));
                spill?.MoveOut(model);
                continue;
            }

            var codes = await inputs.ValuesAsync<int>($"{Roles.Codes}/{entry.Layer.Index}");
            var scales = await inputs.ValuesAsync<float>($"{Roles.Scales}/{entry.Layer.Index}");
            var zeros = await inputs.ValuesAsync<int>($"{Roles.Zeros}/{entry.Layer.Index}");
            quantized.Add(new LayerCodes(layer, codes, scales, zeros, bits));
            if (spec is not { External: true, FoldsAfter: not true })
                continue;
            // One at a time: the codes of all layers together may not fit in memory.
            Write(model, quantized[0], rescues);
            quantized.Clear();
            spill?.MoveOut(model);
        }

        rescues.AddRange(spec.FoldsAfter == true
            ? await FoldAsync(model, spec, quantized, inputs)
            : await KeepAsync(model, spec, quantized, inputs));
        activations?.Apply(model);
        spill?.MoveOut(model);
        if (model.Opset != opset)
            rescues.Add(new Rescue(null, OpsetRaised, $"the model was opset {opset} and is now {model.Opset}: its codes need an operator that came with it"));
        // A model that the runtime refuses must not be delivered.
        if (spill is null)
        {
            var written = model.ToBytes();
            runtime.Open(written).Dispose();
            await context.WriteAsync(Roles.Model, written, inputs.CancellationToken);
            return new UnitMetrics { ModelBytes = written.LongLength, Rescues = rescues, Activations = activations?.Told };
        }

        runtime.Check(model);
        var layout = ExternalLayout.Of(model, ExternalWeights.FileName);
        await context.WriteAsync(Roles.Model, layout.Message, inputs.CancellationToken);
        await context.WriteAsync(Roles.ModelData, (stream, _) => Write(layout, stream), inputs.CancellationToken);
        return new UnitMetrics { ModelBytes = layout.Message.LongLength + layout.DataLength, Rescues = rescues, Activations = activations?.Told };
    }

    /// <summary>The rows that were solved, and those behind them as they were.</summary>
    private static float[] Completed(Layer layer, float[] solved)
    {
        if (solved.Length == (long)layer.Rows * layer.Columns)
            return solved;
        var all = LayerMatrix.Read(layer);
        solved.CopyTo(all, 0);
        return all;
    }

    private static Task Write(ExternalLayout layout, Stream stream)
    {
        layout.WriteData(stream);
        return Task.CompletedTask;
    }

    private static async Task<List<Rescue>> KeepAsync(OnnxModel model, AssembleSpec spec, List<LayerCodes> quantized, UnitInputs inputs)
    {
        var rescues = new List<Rescue>();
        foreach (var layer in quantized)
            Write(model, layer, rescues);
        if (spec.Applied is not { } applied)
            return rescues;
        await CorrectionUnits.ApplyAsync(model, applied, inputs);
        PassRunner.Run(model, new RemoveDeadCode());
        return rescues;
    }

    /// <summary>Folds on float weights, then puts the codes in their place, their scales folded alike: so no code is rounded again.</summary>
    private static async Task<List<Rescue>> FoldAsync(OnnxModel model, AssembleSpec spec, List<LayerCodes> quantized, UnitInputs inputs)
    {
        var byNode = new Dictionary<string, LayerCodes>(StringComparer.Ordinal);
        foreach (var layer in quantized)
        {
            LayerMatrix.Write(layer.Layer, QuantizedWeights.Dequantize(layer.Codes, layer.Scales, layer.Zeros));
            foreach (var node in layer.Layer.Nodes)
                byNode.Add(node.Name, layer);
        }

        await CorrectionUnits.ApplyAsync(model, spec.Applied ?? [], inputs);
        var factors = new Dictionary<string, IReadOnlyList<double>>(StringComparer.Ordinal);
        PassRunner.Run(model, new FoldBatchNorm(factors), new RemoveDeadCode());
        var rescues = new List<Rescue>();
        foreach (var layer in ModelPartition.Of(model).Layers)
        {
            if (byNode.TryGetValue(layer.Name, out var codes))
                Write(model, codes.Times(layer, factors.GetValueOrDefault(layer.Name)), rescues);
        }

        return rescues;
    }

    private static void Write(OnnxModel model, LayerCodes layer, List<Rescue> rescues)
    {
        var export = QuantizedWeights.Apply(model, layer.Layer, layer.Codes, layer.Scales, layer.Zeros, layer.Bits);
        if (export.Reason is { } reason)
            rescues.Add(new Rescue(layer.Layer.Name, WiderCodes, reason));
    }

    /// <summary>A layer's result as codes.</summary>
    private sealed record LayerCodes(Layer Layer, int[] Codes, float[] Scales, int[] Zeros, int Bits)
    {
        /// <summary>Each row times a factor: a negative one mirrors the codes, and the scale stays positive.</summary>
        public LayerCodes Times(Layer layer, IReadOnlyList<double>? factors)
        {
            if (factors is null)
                return this with { Layer = layer };
            var (codes, scales, zeros) = ((int[])Codes.Clone(), (float[])Scales.Clone(), (int[])Zeros.Clone());
            var (columns, most) = (codes.Length / scales.Length, (1 << Bits) - 1);
            for (var row = 0; row < scales.Length; row++)
            {
                scales[row] = (float)(scales[row] * Math.Abs(factors[row]));
                if (factors[row] >= 0)
                    continue;
                zeros[row] = most - zeros[row];
                foreach (ref var code in codes.AsSpan(row * columns, columns))
                    code = most - code;
            }

            return new LayerCodes(layer, codes, scales, zeros, Bits);
        }
    }
}
