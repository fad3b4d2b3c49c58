using System.Runtime.InteropServices;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// What enters a group in the model whose earlier layers are quantized, what leaves it in the float model (algorithms.md 3.5), and gradients and
/// what enters in the float model where the boundary names them, as the content of an <see cref="ActivationShard"/>: one batch in memory at a time.
/// </summary>
public static class ActivationCapture
{
    /// <param name="model">In float.</param>
    /// <param name="prefix">
    /// The model whose earlier layers are quantized; the same where the group is fed in float. For gradients the group itself is quantized too, which
    /// changes nothing of what enters it.
    /// </param>
    /// <param name="window">The shard's samples, and how many a run takes.</param>
    /// <param name="write">Gets the shard, piece by piece; a piece is valid until the task ends.</param>
    /// <returns>Why there are no gradients where they are asked for: they are zeros then. Otherwise null.</returns>
    /// <exception cref="Jobs.InputException">The data does not fit the model.</exception>
    /// <exception cref="OnnxException">What enters or leaves is not float32, or its first dimension does not count samples.</exception>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    public static async Task<string?> RunAsync(
        ModelRuntime runtime, OnnxModel model, OnnxModel prefix, GroupBoundary boundary, DataFile file, Preprocess preprocess, SampleWindow window,
        Func<ReadOnlyMemory<byte>, Task> write, Action<double>? progress = null, CancellationToken cancellationToken = default)
    {
        using var entering = runtime.Open(Exposing(prefix, boundary.Inputs));
        using var gradients = boundary.Gradient is null ? null : new OutputGradients(runtime, prefix, boundary.Output);
        string[] mixed = boundary.Floats.Count == 0 ? [] : [.. boundary.Inputs];
        string[] floats = [.. ((string[])[boundary.Output, .. gradients?.Logits ?? [], .. mixed]).Distinct()];
        string[] names = [.. boundary.Inputs, boundary.Output, .. boundary.Gradient is { } gradient ? [gradient] : Array.Empty<string>(), .. boundary.Floats];
        using var leaving = runtime.Open(Exposing(model, floats));
        using var options = new RunOptions(cancellationToken);
        var feeds = DataSet.Match(file, leaving.Inputs, preprocess).Batches(window.First, window.Count, window.Batch);
        var others = DataSet.Match(file, entering.Inputs, preprocess).Batches(window.First, window.Count, window.Batch);
        ShardValue[]? values = null;
        foreach (var (feed, other) in feeds.Zip(others))
        {
            using var inputs = entering.Run(other.Names, other.Values, boundary.Inputs, options);
            using var outputs = leaving.Run(feed.Names, feed.Values, floats, options);
            using var weights = gradients is null ? null : OrtValue.Allocate(OnnxRuntime.ElementType.Float, outputs[0].Shape);
            gradients?.Read(feed, [.. gradients.Logits.Select(logits => outputs[Array.IndexOf(floats, logits)])], options, weights!.AsSpan<float>());
            OrtValue[] all = [.. inputs, outputs[0], .. weights is null ? Array.Empty<OrtValue>() : [weights], .. mixed.Select(value => outputs[Array.IndexOf(floats, value)])];
            ShardValue[] shapes = [.. all.Zip(names, (value, name) => Describe(value, name, feed.Count))];
            if (values is null)
                await write(ActivationShard.HeaderOf(window.Count, shapes));
            else if (!values.SequenceEqual(shapes))
                throw new OnnxException(boundary.Output, "the size of its samples changes from batch to batch");
            values = shapes;
            await write(Interleave(all, shapes, feed.Count));
            progress?.Invoke((feed.First + feed.Count - window.First) / (double)window.Count);
        }

        return gradients?.Obstacle;
    }

    /// <summary>The part of a model that computes some values.</summary>
    internal static OnnxModel Exposing(OnnxModel model, IReadOnlyList<string> values)
    {
        var builder = GraphBuilder.Extract(model, values);
        foreach (var value in values)
            builder.Output(value);
        return builder.Build();
    }

    private static ShardValue Describe(OrtValue value, string name, int samples) =>
        value.IsTensor && value.ElementType == OnnxRuntime.ElementType.Float && value.Shape is [var first, ..] && first == samples
            ? new ShardValue(name, checked((int)(value.ElementCount / samples)))
            : throw new OnnxException(name, "it is not float32 with a first dimension that counts samples, so it cannot be reconstructed");

    /// <summary>Sample after sample all values, as a shard has them.</summary>
    private static byte[] Interleave(OrtValue[] values, ShardValue[] shapes, int samples)
    {
        var stride = shapes.Sum(shape => shape.Elements);
        var content = new byte[(long)samples * stride * sizeof(float)];
        var into = MemoryMarshal.Cast<byte, float>(content.AsSpan());
        var offset = 0;
        for (var v = 0; v < values.Length; v++)
        {
            var from = values[v].AsSpan<float>();
            var elements = shapes[v].Elements;
            for (var i = 0; i < samples; i++)
                from.Slice(i * elements, elements).CopyTo(into[(i * stride + offset)..]);
            offset += elements;
        }

        return content;
    }
}
