using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Puts every layer's result into the prepared model and writes it.</summary>
internal static class AssembleUnit
{
    private const string WiderCodes = "wider-codes";
    private const string OpsetRaised = "opset-raised";

    public static async Task<UnitMetrics> RunAsync(AssembleSpec spec, UnitInputs inputs, IUnitContext context, ModelRuntime runtime)
    {
        var bytes = await inputs.BytesAsync(Roles.Model);
        var model = ModelPreparation.Prepare(ModelPreparation.Load(bytes.Span, Roles.Model), spec.BatchNorm);
        var layers = ModelPartition.Of(model).Layers.ToDictionary(layer => layer.Name);
        var rescues = new List<Rescue>();
        var opset = model.Opset;
        foreach (var entry in spec.Layers)
        {
            var layer = layers[entry.Layer.Name];
            if (entry.Bits is not { } bits)
            {
                LayerMatrix.Write(layer, await inputs.ValuesAsync<float>($"{Roles.Weights}/{entry.Layer.Index}"));
                continue;
            }

            var codes = await inputs.ValuesAsync<int>($"{Roles.Codes}/{entry.Layer.Index}");
            var scales = await inputs.ValuesAsync<float>($"{Roles.Scales}/{entry.Layer.Index}");
            var zeros = await inputs.ValuesAsync<int>($"{Roles.Zeros}/{entry.Layer.Index}");
            var export = QuantizedWeights.Apply(model, layer, codes, scales, zeros, bits);
            if (export.Reason is { } reason)
                rescues.Add(new Rescue(layer.Name, WiderCodes, reason));
        }

        if (model.Opset != opset)
            rescues.Add(new Rescue(null, OpsetRaised, $"the model was opset {opset} and is now {model.Opset}: the codes of its weights need an operator that came with it"));
        var written = model.ToBytes();
        // A model that the runtime refuses must not be delivered.
        runtime.Open(written).Dispose();
        await context.WriteAsync(Roles.Model, written, inputs.CancellationToken);
        return new UnitMetrics { ModelBytes = written.LongLength, Rescues = rescues };
    }
}
