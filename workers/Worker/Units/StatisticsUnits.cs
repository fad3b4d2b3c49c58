using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx.Partition;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Units that turn calibration samples into Hessians.</summary>
internal static class StatisticsUnits
{
    private const string DataName = "calibration data";

    public static async Task<UnitMetrics> GramAsync(GramSpec spec, UnitInputs inputs, IUnitContext context, PreparedModels models, ModelRuntime runtime)
    {
        var model = await models.GetAsync(inputs.Single(Roles.Model), spec.BatchNorm, inputs);
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), DataName);
        var graph = GramGraph.Build(model, ModelPartition.Of(model), spec.Layers.Select(layer => layer.Name));
        var grams = Calibrator.Run(
            runtime, graph, data, spec.Preprocess, spec.First, spec.Count, spec.Batch, context.Report, inputs.CancellationToken);
        for (var i = 0; i < grams.Count; i++)
        {
            var gram = grams[i];
            await context.WriteAsync($"{Roles.Gram}/{spec.Layers[i].Index}", (stream, _) => Write(gram, stream), inputs.CancellationToken);
        }

        return new UnitMetrics();
    }

    public static async Task<UnitMetrics> HessianAsync(HessianSpec spec, UnitInputs inputs, IUnitContext context, PreparedModels models)
    {
        var model = await models.GetAsync(inputs.Single(Roles.Model), spec.BatchNorm, inputs);
        var layer = ModelPartition.Of(model).Find(spec.Layer.Name)
            ?? throw new InvalidOperationException($"The prepared model has no layer '{spec.Layer.Name}'.");
        var sum = new Gram(layer.Groups, layer.Columns);
        foreach (var shard in inputs.All(Roles.Gram))
            sum.Merge(Gram.Read((await inputs.BytesOnceAsync(shard)).Span, layer.Groups, layer.Columns));
        await context.WriteValuesAsync(Roles.Hessian, sum.ToHessian(spec.Samples), inputs.CancellationToken);
        await context.WriteValuesAsync(Roles.Weights, LayerMatrix.Read(layer), inputs.CancellationToken);
        return new UnitMetrics();
    }

    private static Task Write(Gram gram, Stream stream)
    {
        gram.Write(stream);
        return Task.CompletedTask;
    }
}
