using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Running;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Cli.Evaluating;

/// <summary>Metric, latency and size of models on a data file.</summary>
internal sealed class ModelEvaluation(ModelRuntime runtime, TimeProvider clock)
{
    private const int Batch = 250;

    /// <summary>The metric that a data file suggests: accuracy where it has labels.</summary>
    public static string DefaultMetric(DataFile data) => data.Arrays.ContainsKey(DataFile.Labels) ? "top1" : "cosine";

    /// <param name="against">The other model's path; null where there is none.</param>
    /// <exception cref="InputException">Model or data cannot be used, or do not fit each other or the metric.</exception>
    public EvalResult Run(string modelPath, string? against, DataFile data, Metric metric, Preprocess preprocess, CancellationToken cancellation)
    {
        if (metric.NeedsReference && against is null)
            throw new InputException("reference-missing", "--against", $"the metric '{metric.Name}' compares with another model", "Name the float model with --against.");
        using var model = Open(modelPath);
        using var other = against is null ? null : Open(against);
        var samples = SampleCount(data);
        var own = Measure(model, metric.NeedsReference ? other?.Session : null);
        var others = metric.NeedsReference || other is null ? null : Measure(other, null);
        return new EvalResult(metric.Name, own.Value, samples, own.LatencyMs, own.SizeBytes, others);

        EvalFigures Measure(OpenModel opened, Session? reference)
        {
            var evaluator = new Evaluator(opened.Session, reference, metric);
            var (sum, count) = evaluator.Run(data, preprocess, 0, samples, opened.Batch ?? Batch, null, cancellation);
            var latency = evaluator.Latency(data, preprocess, opened.Batch ?? 1, clock, cancellation) / (opened.Batch ?? 1);
            return new EvalFigures(sum / count * (Figures.IsPercent(metric.Name) ? 100 : 1), latency, opened.SizeBytes);
        }
    }

    private OpenModel Open(string path)
    {
        if (!File.Exists(path))
            throw new InputException("model-not-found", path, Directory.Exists(path) ? "this is a folder" : "there is no such file", "Give the path of an ONNX model.");
        var (stamp, model) = SourceModel.Inspect(Path.GetFileName(path), path);
        try
        {
            return new OpenModel(runtime.Open(model), stamp.Bytes);
        }
        catch (OrtException refused)
        {
            throw new InputException("model-invalid", path, $"ONNX Runtime refuses the model: {refused.Message}", "Export the model again.", refused);
        }
    }

    private static int SampleCount(DataFile data)
    {
        var samples = data.Arrays.Values.Select(header => header.Shape.Count == 0 ? 0 : header.Shape[0]).DefaultIfEmpty(0).Min();
        return samples is > 0 and <= int.MaxValue
            ? (int)samples
            : throw new InputException("data-empty", data.Name, "the file has no samples", "Give at least one sample.");
    }

    private sealed record OpenModel(Session Session, long SizeBytes) : IDisposable
    {
        /// <summary>The number of samples that the model insists on; null where it is open.</summary>
        public int? Batch => Session.Inputs.Select(input => input.Shape.Count > 0 && input.Shape[0] > 0 ? (int?)input.Shape[0] : null).FirstOrDefault(batch => batch is not null);

        public void Dispose() => Session.Dispose();
    }
}
