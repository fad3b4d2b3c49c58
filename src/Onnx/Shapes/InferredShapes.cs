namespace Orchestrator.Onnx.Shapes;

/// <summary>
/// Shapes of all values as far as they follow from the graph, for one sample: an input's open leading dimension counts as 1.
/// A dimension that cannot be known is -1; a value of unknown rank has no shape.
/// </summary>
public sealed class InferredShapes
{
    private readonly Dictionary<string, long[]> _shapes;

    private InferredShapes(Dictionary<string, long[]> shapes, long samples)
    {
        _shapes = shapes;
        SamplesPerRun = samples;
    }

    /// <summary>The leading dimension of the first input where the model fixes it, otherwise 1: how many samples the shapes stand for.</summary>
    public long SamplesPerRun { get; }

    public static InferredShapes Of(OnnxModel model)
    {
        var context = new ShapeContext(model);
        var first = model.Graph.Inputs is [var input, ..] ? input.Shape : null;
        foreach (var node in model.Graph.Nodes)
            ShapeRules.Apply(context, node);
        return new InferredShapes(context.Shapes, first is [> 0, ..] ? first[0] : 1);
    }

    /// <summary>The shape, or null where even the rank is unknown.</summary>
    public IReadOnlyList<long>? Find(string value) => _shapes.GetValueOrDefault(value);
}
