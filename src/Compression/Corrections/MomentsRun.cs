using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Corrections;

/// <summary>Runs a graph of moments over calibration samples, one batch in memory at a time.</summary>
public static class MomentsRun
{
    /// <returns>The content of a <c>moments</c> blob: per batch and site the elements a channel, then means, then variances.</returns>
    /// <exception cref="Jobs.InputException">The data does not fit the model.</exception>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    public static double[] Run(
        ModelRuntime runtime, MomentsGraph graph, IReadOnlyList<SiteRef> sites, DataFile file, Preprocess preprocess, SampleWindow window,
        Action<double>? progress = null, CancellationToken cancellationToken = default)
    {
        using var session = runtime.Open(graph.Model);
        using var options = new RunOptions(cancellationToken);
        string[] names = [.. graph.Outputs.SelectMany(output => new[] { output.Mean, output.Variance, output.Size })];
        var values = new List<double>();
        foreach (var samples in DataSet.Match(file, session.Inputs, preprocess).Batches(window.First, window.Count, window.Batch))
        {
            using var outputs = session.Run(samples.Names, samples.Values, names, options);
            for (var site = 0; site < sites.Count; site++)
            {
                values.Add(outputs[(3 * site) + 2].AsSpan<long>()[0] / (double)sites[site].Channels);
                AddRange(values, outputs[3 * site].AsSpan<float>());
                AddRange(values, outputs[(3 * site) + 1].AsSpan<float>());
            }

            progress?.Invoke((samples.First + samples.Count - window.First) / (double)window.Count);
        }

        return [.. values];
    }

    private static void AddRange(List<double> values, ReadOnlySpan<float> more)
    {
        foreach (var value in more)
            values.Add(value);
    }
}
