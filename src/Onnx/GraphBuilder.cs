using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>
/// Writes graphs: new ones, copies of a model with more nodes and outputs, or the part of a model that computes some values. Every method
/// that adds something returns the name of the value it made, to be used as an input of the next. Names are made unique.
/// </summary>
public sealed partial class GraphBuilder
{
    private readonly OnnxModel _model;

    /// <summary>An empty graph for an operator set of the specification.</summary>
    public GraphBuilder(int opset, string name = "graph")
    {
        var proto = new ModelProto { IrVersion = Math.Max(4, OnnxModel.IrVersionOf(opset)), ProducerName = "orchestrator", Graph = new GraphProto { Name = name } };
        proto.OpsetImport.Add(new OperatorSetIdProto { Version = opset });
        _model = new OnnxModel(proto);
    }

    private GraphBuilder(OnnxModel model) => _model = model;

    public int Opset => _model.Opset;

    internal OnnxModel Model => _model;

    private Graph Graph => _model.Graph;

    /// <summary>Starts from a copy of the model, its outputs included.</summary>
    public static GraphBuilder Extend(OnnxModel model) => new(model.Clone());

    /// <summary>Adds to the model itself.</summary>
    public static GraphBuilder Edit(OnnxModel model) => new(model);

    /// <summary>Starts from a copy of only what computes the values: the nodes, initializers and inputs they need. No outputs are declared yet.</summary>
    /// <exception cref="OnnxException">The model has no such value.</exception>
    public static GraphBuilder Extract(OnnxModel model, params IEnumerable<string> values)
    {
        var copy = model.Clone();
        var graph = copy.Graph;
        foreach (var output in graph.Outputs)
            graph.RemoveOutput(output.Name);
        var wanted = values.Distinct().ToList();
        foreach (var value in wanted)
            graph.AddOutput(Untyped(value));
        RemoveDeadCode.Sweep(graph);
        foreach (var input in graph.Inputs.Where(i => graph.Uses(i.Name).Count == 0 && !wanted.Contains(i.Name)))
            graph.RemoveInput(input.Name);
        foreach (var value in wanted)
            graph.RemoveOutput(value);
        return new GraphBuilder(copy);
    }

    /// <summary>Declares an input; -1 or a negative number leaves a dimension open.</summary>
    public string Input(string name, ElementType type, params IReadOnlyList<long> shape)
    {
        Graph.AddInput(new GraphValue(name, type, shape));
        return name;
    }

    /// <summary>Stores a constant under its own name, made unique.</summary>
    public string Constant(Tensor tensor)
    {
        var name = Graph.UniqueName(tensor.Name.Length == 0 ? "constant" : tensor.Name);
        Graph.AddInitializer(tensor.Name == name ? tensor : tensor.WithName(name));
        return name;
    }

    /// <summary>A float32 scalar.</summary>
    public string Scalar(float value) => Constant(Tensor.FromFloats("scalar", [], [value]));

    /// <summary>An int64 vector, as shapes and axes are given.</summary>
    public string Vector(params ReadOnlySpan<long> values) => Constant(Tensor.FromLongs("vector", values));

    /// <summary>Adds an operator with one output.</summary>
    public string Add(string opType, IEnumerable<string> inputs, params IEnumerable<NodeAttribute> attributes) =>
        AddMany(opType, inputs, 1, attributes)[0];

    /// <summary>Adds an operator with several outputs.</summary>
    public IReadOnlyList<string> AddMany(string opType, IEnumerable<string> inputs, int outputs, params IEnumerable<NodeAttribute> attributes)
    {
        var given = inputs.ToList();
        foreach (var input in given.Where(i => i.Length > 0 && !Graph.Has(i)))
            throw new OnnxException(opType, $"its input '{input}' does not exist in the graph");
        var names = Enumerable.Range(0, outputs).Select(_ => Graph.UniqueName(opType)).ToList();
        Graph.Add(new Node(opType, names[0], given, names, attributes));
        return names;
    }

    /// <summary>Declares an output. Without a type the runtime infers it.</summary>
    /// <param name="name">The name under which callers find it; null keeps the value's own.</param>
    public string Output(string value, string? name = null, ElementType type = ElementType.Undefined, IReadOnlyList<long>? shape = null)
    {
        var output = value;
        if (name is not null && name != value)
        {
            output = Graph.UniqueName(name);
            Graph.Add(new Node("Identity", output, [value], [output]));
        }
        Graph.AddOutput(type == ElementType.Undefined ? Untyped(output) : new GraphValue(output, type, shape));
        return output;
    }

    /// <summary>The finished model; the builder must not be used afterwards.</summary>
    /// <exception cref="OnnxException">No output was declared.</exception>
    public OnnxModel Build()
    {
        if (Graph.Outputs.Count == 0)
            throw new OnnxException("graph", "the graph has no outputs");
        Graph.Sort();
        return _model;
    }

    private static GraphValue Untyped(string name) => new(new ValueInfoProto { Name = name });
}
