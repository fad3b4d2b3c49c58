using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Calibration;

/// <summary>Runs a generated graph over calibration samples and sums its products.</summary>
public static class Calibrator
{
    /// <summary>Σ x·xᵀ of every target over a range of samples, in the order of the targets.</summary>
    /// <param name="batch">Samples a run. Part of the result: it decides which products are summed in float32.</param>
    /// <param name="progress">Fraction done, after every batch.</param>
    /// <exception cref="Jobs.InputException">The data does not fit the model or holds NaN or infinity.</exception>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    /// <exception cref="OperationCanceledException"/>
    public static IReadOnlyList<Gram> Run(
        ModelRuntime runtime,
        GramGraph graph,
        DataFile data,
        Preprocess preprocess,
        int first,
        int count,
        int batch,
        Action<double>? progress = null,
        CancellationToken cancellationToken = default)
    {
        using var session = runtime.Open(graph.Model);
        using var runOptions = new RunOptions(cancellationToken);
        var samples = DataSet.Match(data, session.Inputs, preprocess);
        Gram[] sums = [.. graph.Targets.Select(target => target.CreateGram())];
        string[] outputNames = [.. graph.Targets.SelectMany(target => target.Outputs).Distinct()];
        foreach (var part in samples.Batches(first, count, batch))
        {
            using var outputs = session.Run(part.Names, part.Values, outputNames, runOptions);
            for (var i = 0; i < sums.Length; i++)
            {
                foreach (var name in graph.Targets[i].Outputs)
                    sums[i].Add(outputs[Array.IndexOf(outputNames, name)].AsSpan<float>());
            }

            progress?.Invoke((part.First + part.Count - first) / (double)count);
        }

        return sums;
    }
}
