using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>One operation of a <see cref="Onnx.Graph"/>. Inputs and outputs are value names; an empty name is an optional one left out.</summary>
public sealed class Node
{
    private IReadOnlyList<string>? _captured;

    internal Node(NodeProto proto) => Proto = proto;

    public Node(string opType, string name, IEnumerable<string> inputs, IEnumerable<string> outputs, params IEnumerable<NodeAttribute> attributes)
    {
        Proto = new NodeProto { OpType = opType, Name = name };
        Proto.Input.AddRange(inputs);
        Proto.Output.AddRange(outputs);
        foreach (var attribute in attributes)
            Proto.Attribute.Add(attribute.Proto.Clone());
    }

    internal NodeProto Proto { get; }

    /// <summary>The graph the node is part of; null before it is added and after it is removed.</summary>
    public Graph? Graph { get; internal set; }

    /// <summary>Unique within the graph.</summary>
    public string Name => Proto.Name;

    public string OpType => Proto.OpType;

    /// <summary>Empty for the operators of the specification itself.</summary>
    public string Domain => Proto.Domain == "ai.onnx" ? "" : Proto.Domain;

    public IReadOnlyList<string> Inputs => Proto.Input;

    public IReadOnlyList<string> Outputs => Proto.Output;

    /// <summary>The first output.</summary>
    public string Output => Proto.Output[0];

    /// <summary>Values of this graph that graphs in the node's attributes (bodies of If, Loop, Scan) read.</summary>
    public IReadOnlyList<string> Captured => _captured ??= SubgraphNames.Captured(Proto);

    /// <summary>Whether the node holds graphs in its attributes.</summary>
    public bool HasSubgraphs => Subgraphs.Any();

    public IEnumerable<string> AttributeNames => Proto.Attribute.Select(a => a.Name);

    internal IEnumerable<GraphProto> Subgraphs => Proto.Attribute.SelectMany(a => a.G is null ? a.Graphs : a.Graphs.Prepend(a.G));

    /// <summary>Whether this is the operator <paramref name="opType"/> of the specification.</summary>
    public bool Is(string opType) => OpType == opType && Domain.Length == 0;

    /// <summary>The input's name, or null where it is left out.</summary>
    public string? Input(int index) => index < Proto.Input.Count && Proto.Input[index].Length > 0 ? Proto.Input[index] : null;

    /// <summary>Sets an input, with empty names before it where the node had fewer; an empty name leaves the input out.</summary>
    public void SetInput(int index, string value)
    {
        Graph?.Unlink(this);
        while (Proto.Input.Count <= index)
            Proto.Input.Add("");
        Proto.Input[index] = value;
        while (Proto.Input.Count > 0 && Proto.Input[^1].Length == 0)
            Proto.Input.RemoveAt(Proto.Input.Count - 1);
        Graph?.Link(this);
    }

    /// <summary>Renames an output or, with an empty name, leaves it out; those who use the old name are not touched.</summary>
    public void SetOutput(int index, string value)
    {
        Graph?.Unlink(this);
        Proto.Output[index] = value;
        while (Proto.Output.Count > 1 && Proto.Output[^1].Length == 0)
            Proto.Output.RemoveAt(Proto.Output.Count - 1);
        Graph?.Link(this);
    }

    public bool HasAttribute(string name) => Find(name) is not null;

    public long Int(string name, long otherwise) => Find(name)?.I ?? otherwise;

    public float Float(string name, float otherwise) => Find(name)?.F ?? otherwise;

    public string Text(string name, string otherwise) => Find(name)?.S.ToStringUtf8() ?? otherwise;

    /// <summary>The attribute's numbers, or null where the node lacks it.</summary>
    public long[]? Ints(string name) => Find(name) is { } a ? [.. a.Ints] : null;

    public float[]? Floats(string name) => Find(name) is { } a ? [.. a.Floats] : null;

    /// <summary>The tensor of an attribute, under the name of the attribute's owner; null where the node lacks it.</summary>
    public Tensor? Constant(string name) => Find(name)?.T is { } tensor ? new Tensor(tensor) : null;

    public void SetAttribute(NodeAttribute attribute)
    {
        RemoveAttribute(attribute.Proto.Name);
        Proto.Attribute.Add(attribute.Proto.Clone());
    }

    public bool RemoveAttribute(string name) => Find(name) is { } attribute && Proto.Attribute.Remove(attribute);

    /// <summary>Makes the node another operator of the specification with the same inputs and outputs.</summary>
    public void SetOpType(string opType)
    {
        Proto.OpType = opType;
        Proto.ClearDomain();
    }

    public override string ToString() => $"{OpType} '{Name}' ({string.Join(", ", Inputs)}) → ({string.Join(", ", Outputs)})";

    /// <summary>The nodes of all graphs in the attributes, nested ones included. They belong to no <see cref="Graph"/>.</summary>
    internal IEnumerable<Node> Bodies => Subgraphs.SelectMany(g => g.Node).Select(proto => new Node(proto)).SelectMany(n => n.Bodies.Prepend(n));

    /// <summary>For when a graph in an attribute was edited.</summary>
    internal void ForgetCaptured() => _captured = null;

    internal void RenameCaptured(string from, string to)
    {
        foreach (var graph in Subgraphs)
            SubgraphNames.Rename(graph, from, to);
        _captured = null;
    }

    private AttributeProto? Find(string name)
    {
        foreach (var attribute in Proto.Attribute)
            if (attribute.Name == name)
                return attribute;
        return null;
    }
}
