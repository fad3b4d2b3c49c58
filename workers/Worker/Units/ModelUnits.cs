using System.Text.Json;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Units that look at whole models: outline, metric, latency, comparison.</summary>
internal static class ModelUnits
{
    private const string CalibrationName = "calibration data";
    private const string EvaluationName = "evaluation data";

    public static async Task<UnitMetrics> OutlineAsync(OutlineSpec spec, UnitInputs inputs, IUnitContext context)
    {
        var blob = inputs.Single(Roles.Model);
        var bytes = await inputs.BytesAsync(blob);
        var model = ModelPreparation.Load(bytes.Span, Roles.Model);
        var outline = ModelOutlines.OfLast(model, blob.Sha256, blob.Length, spec.BatchNorm);
        await context.WriteAsync(Roles.Outline, JsonSerializer.SerializeToUtf8Bytes(outline, JsonSerializerOptions.Web), inputs.CancellationToken);
        return new UnitMetrics();
    }

    public static async Task<UnitMetrics> EvaluateAsync(EvaluateSpec spec, UnitInputs inputs, IUnitContext context, ModelRuntime runtime, TimeProvider time)
    {
        var models = inputs.All(Roles.Model).ToList();
        var metric = Metric.Of(spec.Metric);
        using var session = await OpenAsync(models[0]);
        using var reference = metric.NeedsReference && !spec.Latency ? await OpenAsync(models[1]) : null;
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), EvaluationName);
        var evaluator = new Evaluator(session, reference, metric);
        if (spec.Latency)
        {
            var batch = FixedBatch(session) ?? 1;
            return new UnitMetrics
            {
                LatencyMs = evaluator.Latency(data, spec.Preprocess, batch, time, inputs.CancellationToken) / batch,
                ModelBytes = models[0].Length,
            };
        }

        var (sum, count) = evaluator.Run(data, spec.Preprocess, spec.First, spec.Count, spec.Batch, new UnitProgress(context), inputs.CancellationToken);
        return new UnitMetrics { MetricSum = sum, MetricCount = count };

        async Task<Session> OpenAsync(BlobRef model) =>
            spec.External == true ? runtime.Open(await inputs.ModelAsync(model)) : runtime.Open((await inputs.BytesAsync(model)).Span);
    }

    public static async Task<UnitMetrics> CompareAsync(CompareSpec spec, UnitInputs inputs, PreparedModels models, ModelRuntime runtime)
    {
        var blobs = inputs.All(Roles.Model).ToList();
        var prepared = await models.GetAsync(blobs[0], spec.BatchNorm, inputs);
        var compressed = await inputs.ModelAsync(blobs[1]);
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), CalibrationName);
        var checks = LayerComparison.Run(
            runtime, prepared, compressed, spec.Layers, data, spec.Preprocess, new SampleWindow(spec.First, spec.Count, spec.Batch), inputs.CancellationToken);
        return new UnitMetrics { Checks = checks };
    }

    private static int? FixedBatch(Session session) =>
        session.Inputs.SelectMany(input => input.Shape.Take(1)).Where(dimension => dimension > 0).Select(dimension => (int?)dimension).FirstOrDefault();

    /// <summary>The fraction done, handed on as it comes.</summary>
    private sealed class UnitProgress(IUnitContext context) : IProgress<double>
    {
        public void Report(double value) => context.Report(value);
    }
}
