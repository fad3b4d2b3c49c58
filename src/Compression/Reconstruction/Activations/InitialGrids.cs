using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>
/// The grids that step sizes are tuned from: the Lp search of algorithms.md 0.3 on a few calibration samples, value after value in graph order,
/// each in the model whose earlier values are quantized already.
/// </summary>
public static class InitialGrids
{
    /// <summary>As in the original (algorithms.md 3.5).</summary>
    public const int Samples = 64;

    /// <param name="model">With the weights that the values are to be looked at with; not changed.</param>
    /// <param name="window">Samples to look at, and how many a run takes.</param>
    /// <exception cref="Jobs.InputException">The data does not fit the model.</exception>
    /// <exception cref="OnnxException">A value is not float32, or not finite.</exception>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    public static IReadOnlyList<ActivationGrid> Fit(
        ModelRuntime runtime, OnnxModel model, IReadOnlyList<ActivationPlace> places, DataFile file, Preprocess preprocess, SampleWindow window,
        Action<double>? progress = null, CancellationToken cancellationToken = default)
    {
        var grids = new List<ActivationGrid>();
        var quantized = model.Clone();
        using var options = new RunOptions(cancellationToken);
        foreach (var place in places)
        {
            var builder = GraphBuilder.Extract(quantized, place.Value);
            builder.Output(place.Value);
            using var session = runtime.Open(builder.Build());
            var values = Values(session, place.Value, file, preprocess, window, options);
            var grid = GridFit.Row(values, place.Bits, GridKind.Mse, QuantizationScheme.Asymmetric);
            grids.Add(new ActivationGrid(place.Value, place.Bits, grid.Scale, grid.Zero));
            FakeQuantization.Insert(quantized, [grids[^1]]);
            progress?.Invoke(grids.Count / (double)places.Count);
        }

        return grids;
    }

    private static float[] Values(Session session, string value, DataFile file, Preprocess preprocess, SampleWindow window, RunOptions options)
    {
        float[] values = [];
        var filled = 0;
        foreach (var feed in DataSet.Match(file, session.Inputs, preprocess).Batches(window.First, window.Count, window.Batch))
        {
            using var outputs = session.Run(feed.Names, feed.Values, [value], options);
            if (!outputs[0].IsTensor || outputs[0].ElementType != OnnxRuntime.ElementType.Float)
                throw new OnnxException(value, "it is not float32, so it cannot be quantized");
            var batch = outputs[0].AsSpan<float>();
            // All batches but the last have as many samples; so this is allocated once.
            if (values.Length == 0)
                values = new float[checked((int)((long)batch.Length * window.Count / feed.Count))];
            if (filled + batch.Length > values.Length)
                throw new OnnxException(value, "the size of its samples changes from batch to batch");
            batch.CopyTo(values.AsSpan(filled));
            filled += batch.Length;
        }

        foreach (var v in values)
        {
            if (!float.IsFinite(v))
                throw new OnnxException(value, "it is not finite on the calibration samples, so it has no range to quantize");
        }

        return filled == values.Length ? values : values[..filled];
    }
}
