using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Evaluation;

/// <summary>Every layer's output in the compressed model against the prepared float model; both feed themselves, so errors add up as they do in use.</summary>
public static class LayerComparison
{
    // Outputs of several layers leave the runtime together; more than this at once would make memory grow with the model.
    private const long GroupBytes = 64L << 20;

    /// <param name="prepared">The float model, prepared as the compressed one was.</param>
    /// <param name="compressed">Keeps the names of the layers' outputs.</param>
    public static IReadOnlyList<LayerCheck> Run(
        ModelRuntime runtime, OnnxModel prepared, OnnxModel compressed, IReadOnlyList<LayerRef> layers,
        DataFile file, Preprocess preprocess, SampleWindow window, CancellationToken cancellationToken = default)
    {
        var partition = ModelPartition.Of(prepared);
        Layer[] wanted = [.. layers.Select(layer => partition.Find(layer.Name) ?? throw new InvalidOperationException($"The prepared model has no layer '{layer.Name}'."))];
        window = window with { Batch = BatchOf(prepared, wanted, window.Batch) };
        return [.. Groups(wanted, window.Batch).SelectMany(group => Compare(runtime, prepared, compressed, group, file, preprocess, window, cancellationToken))];
    }

    /// <summary>A batch so small that the outputs of all layers fit into one group, and both models run once; a model with a batch of its own keeps that.</summary>
    private static int BatchOf(OnnxModel model, Layer[] layers, int most)
    {
        if (model.Graph.Inputs.Any(input => model.Graph.Initializer(input.Name) is null && input.Shape is [> 0, ..]))
            return most;
        return (int)Math.Clamp(GroupBytes / Math.Max(layers.Sum(SampleBytes), 1), 1, most);
    }

    private static LayerCheck[] Compare(
        ModelRuntime runtime, OnnxModel prepared, OnnxModel compressed, Layer[] group,
        DataFile file, Preprocess preprocess, SampleWindow window, CancellationToken cancellationToken)
    {
        string[] outputs = [.. group.Select(layer => layer.Output)];
        using var floatSession = runtime.Open(Exposing(prepared, outputs));
        using var compressedSession = runtime.Open(Exposing(compressed, outputs));
        using var options = new RunOptions(cancellationToken);
        var sums = new Sums[group.Length];
        foreach (var samples in DataSet.Match(file, floatSession.Inputs, preprocess).Batches(window.First, window.Count, window.Batch))
        {
            using var expected = floatSession.Run(samples.Names, samples.Values, outputs, options);
            using var actual = compressedSession.Run(samples.Names, samples.Values, outputs, options);
            for (var i = 0; i < group.Length; i++)
                sums[i].Add(RealValues.Of(expected[i], outputs[i]), RealValues.Of(actual[i], outputs[i]));
        }

        return [.. group.Select((layer, i) => sums[i].ToCheck(layer.Name))];
    }

    private static OnnxModel Exposing(OnnxModel model, string[] values)
    {
        var builder = GraphBuilder.Extract(model, values);
        foreach (var value in values)
            builder.Output(value);
        return builder.Build();
    }

    private static IEnumerable<Layer[]> Groups(IEnumerable<Layer> layers, int batch)
    {
        var group = new List<Layer>();
        var bytes = 0L;
        foreach (var layer in layers)
        {
            var own = SampleBytes(layer) * batch;
            if (group.Count > 0 && bytes + own > GroupBytes)
            {
                yield return [.. group];
                group.Clear();
                bytes = 0;
            }

            group.Add(layer);
            bytes += own;
        }

        if (group.Count > 0)
            yield return [.. group];
    }

    private static long SampleBytes(Layer layer) => Math.Max(layer.Positions, 1) * layer.Rows * sizeof(float);

    private struct Sums
    {
        private double _difference;
        private double _expected;
        private double _actual;
        private double _product;

        public void Add(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
        {
            for (var i = 0; i < expected.Length; i++)
            {
                double e = expected[i], a = actual[i];
                _difference += (e - a) * (e - a);
                _expected += e * e;
                _actual += a * a;
                _product += e * a;
            }
        }

        public readonly LayerCheck ToCheck(string layer) => new(
            layer,
            _expected == 0 ? (_difference == 0 ? 0 : 1) : Math.Sqrt(_difference / _expected),
            _expected == 0 || _actual == 0 ? (_expected == _actual ? 1 : 0) : _product / Math.Sqrt(_expected * _actual));
    }
}

/// <param name="First">First sample.</param>
/// <param name="Count">Samples.</param>
/// <param name="Batch">Samples a run.</param>
public readonly record struct SampleWindow(int First, int Count, int Batch);
