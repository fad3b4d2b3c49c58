using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Gradients;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// The gradient of what quantization costs the network with respect to one of its values (algorithms.md 3.6): of the Kullback-Leibler divergence of
/// its outputs from the float ones, which takes no labels, or of half the squared error where an output has no classes. Summed over samples, so that
/// the gradient of a sample is the same in every batch.
/// </summary>
internal sealed class OutputGradients : IDisposable
{
    private readonly ModelRuntime _runtime;
    private readonly OnnxModel _model;
    private readonly string _value;
    private readonly Dictionary<int, Backward> _graphs = [];

    /// <param name="model">Quantized up to the value and float behind; not changed.</param>
    /// <param name="value">Float32, with samples first.</param>
    public OutputGradients(ModelRuntime runtime, OnnxModel model, string value)
    {
        (_runtime, _model, _value) = (runtime, model, value);
        Logits = [.. model.Graph.Outputs.Where(o => o.ElementType == ElementType.Float32).Select(o => LogitsOf(model.Graph, o.Name)).Distinct()];
    }

    /// <summary>What the float model has to be asked for: its float outputs, before a softmax.</summary>
    public IReadOnlyList<string> Logits { get; }

    /// <summary>Why there are no gradients; null where there are, or none was asked for yet.</summary>
    public string? Obstacle { get; private set; }

    /// <param name="floats">The float model's <see cref="Logits"/> for this batch.</param>
    /// <param name="into">Of the value's size; zeros where there is an <see cref="Obstacle"/>.</param>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    public void Read(DataBatch batch, IReadOnlyList<OrtValue> floats, RunOptions options, Span<float> into)
    {
        if (GraphOf(batch, floats) is not { } graph)
        {
            into.Clear();
            return;
        }

        var feeds = batch.Names.Zip(batch.Values).Where(feed => graph.Inputs.ContainsKey(feed.First))
            .Select(feed => (graph.Inputs[feed.First], feed.Second)).Concat(graph.Targets.Zip(floats)).ToList();
        using var outputs = graph.Session.Run([.. feeds.Select(f => f.Item1)], [.. feeds.Select(f => f.Second)], [graph.Gradient], options);
        outputs[0].AsSpan<float>().CopyTo(into);
    }

    public void Dispose()
    {
        foreach (var graph in _graphs.Values)
            graph.Session.Dispose();
    }

    private Backward? GraphOf(DataBatch batch, IReadOnlyList<OrtValue> floats)
    {
        if (_graphs.TryGetValue(batch.Count, out var graph) || Obstacle is not null)
            return graph;
        try
        {
            return _graphs[batch.Count] = Build(batch, floats);
        }
        catch (OnnxException e)
        {
            Obstacle = $"{e.Subject}: {e.Message}";
            return null;
        }
    }

    /// <summary>Gradients need fixed shapes: the graph is made for the batch at hand.</summary>
    private Backward Build(DataBatch batch, IReadOnlyList<OrtValue> floats)
    {
        if (Logits.Count == 0)
            throw new OnnxException("graph", "it has no output of float32 that would tell what an error costs");
        var model = ActivationCapture.Exposing(_model, [.. Logits.Append(_value).Distinct()]);
        OpsetUpgrade.Raise(model, OpsetUpgrade.MinTarget);
        var graph = model.Graph;
        foreach (var output in graph.Outputs)
            graph.RemoveOutput(output.Name);
        var inputs = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in batch.Names.Zip(batch.Values).Where(feed => graph.IsInput(feed.First)))
        {
            var type = graph.Inputs.First(i => i.Name == name).ElementType;
            inputs[name] = graph.UniqueName($"{name}/fixed");
            graph.AddInput(new GraphValue(inputs[name], type, value.Shape.ToArray()));
            graph.ReplaceUses(name, inputs[name]);
            graph.RemoveInput(name);
        }

        var builder = GraphBuilder.Edit(model);
        var (targets, costs) = (new List<string>(), new List<string>());
        foreach (var (logits, value) in Logits.Zip(floats))
        {
            targets.Add(builder.Input(graph.UniqueName($"{logits}/target"), ElementType.Float32, value.Shape.ToArray()));
            costs.Add(Cost(builder, logits, targets[^1], value.Shape.ToArray()));
        }

        var loss = costs.Count == 1 ? costs[0] : builder.Add("Sum", costs);
        var gradient = builder.Output(Gradients.Add(builder, loss, [_value])[_value]);
        return new Backward(_runtime.Open(builder.Build()), inputs, targets, gradient);
    }

    /// <summary>−Σ softmax(target)·log softmax(logits), which differs from the divergence by what no gradient sees; or ½·Σ (logits − target)².</summary>
    private static string Cost(GraphBuilder b, string logits, string target, long[] shape)
    {
        long[] all = [.. Enumerable.Range(0, shape.Length).Select(i => (long)i)];
        var classes = shape.Length > 3 ? 1 : shape.Length - 1;
        if (shape.Length < 2 || shape[classes] == 1)
        {
            var difference = b.Binary("Sub", logits, target);
            return b.Binary("Mul", b.Reduce("ReduceSum", b.Binary("Mul", difference, difference), false, all), b.Scalar(0.5f));
        }

        var axis = NodeAttribute.Int("axis", classes);
        var product = b.Binary("Mul", b.Add("Softmax", [target], axis), b.Add("LogSoftmax", [logits], axis));
        return b.Add("Neg", [b.Reduce("ReduceSum", product, false, all)]);
    }

    /// <summary>What a last softmax is taken of.</summary>
    private static string LogitsOf(Graph graph, string output) =>
        graph.Producer(output) is { OpType: "Softmax" or "LogSoftmax", Domain: "" } softmax ? softmax.Inputs[0] : output;

    /// <param name="Inputs">By the name of the network's.</param>
    /// <param name="Targets">Inputs for the float values of the logits.</param>
    private sealed record Backward(Session Session, Dictionary<string, string> Inputs, IReadOnlyList<string> Targets, string Gradient);
}
