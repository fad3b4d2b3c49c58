using Orchestrator.Compression.Data;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Evaluation;

/// <summary>Runs a model over samples and sums a metric. The first output counts.</summary>
/// <param name="reference">The float model, for metrics that compare with it.</param>
public sealed class Evaluator(Session model, Session? reference, Metric metric)
{
    private const int WarmUpRuns = 3;
    private const int TimedRuns = 21;

    /// <param name="first">First sample.</param>
    /// <param name="count">Samples.</param>
    /// <param name="batch">Samples a run.</param>
    /// <returns>Sum and what it is divided by; a pure function of the arguments, added up in sample order.</returns>
    /// <exception cref="InputException">The data does not fit the model or the metric.</exception>
    public (double Sum, long Count) Run(
        DataFile file, Preprocess preprocess, int first, int count, int batch, IProgress<double>? progress = null, CancellationToken cancellationToken = default)
    {
        var data = DataSet.Match(file, model.Inputs, preprocess);
        if (metric.NeedsLabels && !data.HasLabels)
            throw new InputException("labels-missing", file.Name, $"The metric '{metric.Name}' needs labels, and '{file.Name}' has none.", $"Add an int64 array '{DataFile.Labels}', or choose cosine or mse.");
        if (metric.NeedsReference && reference is null)
            throw new InputException("reference-missing", metric.Name, $"The metric '{metric.Name}' compares with another model.", "Name the float model (--against).");
        using var options = new RunOptions(cancellationToken);
        var (sum, divisor, done) = (0.0, 0L, 0);
        foreach (var samples in data.Batches(first, count, batch))
        {
            var (partSum, partCount) = Run(samples, file.Name, options);
            (sum, divisor, done) = (sum + partSum, divisor + partCount, done + samples.Count);
            progress?.Report(done / (double)count);
        }

        return (sum, divisor);
    }

    /// <summary>Median time of one run, after some that do not count.</summary>
    /// <returns>Milliseconds of one run of one batch of <paramref name="batch"/> samples.</returns>
    public double Latency(DataFile file, Preprocess preprocess, int batch, TimeProvider time, CancellationToken cancellationToken = default)
    {
        var data = DataSet.Match(file, model.Inputs, preprocess);
        using var options = new RunOptions(cancellationToken);
        string[] outputs = [model.Outputs[0].Name];
        var milliseconds = new List<double>();
        foreach (var samples in data.Batches(0, batch, batch))
        {
            for (var run = 0; run < WarmUpRuns + TimedRuns; run++)
            {
                var started = time.GetTimestamp();
                using var results = model.Run(samples.Names, samples.Values, outputs, options);
                if (run >= WarmUpRuns)
                    milliseconds.Add(time.GetElapsedTime(started).TotalMilliseconds);
            }
        }

        return milliseconds.Order().ElementAt(milliseconds.Count / 2);
    }

    private (double Sum, long Count) Run(DataBatch samples, string subject, RunOptions options)
    {
        using var results = model.Run(samples.Names, samples.Values, [model.Outputs[0].Name], options);
        if (reference is null || !metric.NeedsReference)
            return metric.Sum(subject, samples.Count, RealValues.Of(results[0], model.Outputs[0].Name), [], samples.Labels);
        using var wanted = reference.Run(samples.Names, samples.Values, [reference.Outputs[0].Name], options);
        if (wanted[0].ElementCount != results[0].ElementCount)
            throw new InputException("outputs-differ", reference.Outputs[0].Name, "The two models' outputs have different shapes.", "Compare a model with the one it was made from.");
        return metric.Sum(subject, samples.Count, RealValues.Of(results[0], model.Outputs[0].Name), RealValues.Of(wanted[0], reference.Outputs[0].Name), samples.Labels);
    }
}
