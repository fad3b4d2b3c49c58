using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx;

/// <summary>A node that reads a value.</summary>
/// <param name="InputIndex">Which input, or -1 where a graph inside the node's attributes captures the value.</param>
public readonly record struct ValueUse(Node Node, int InputIndex);

/// <summary>
/// The main graph of a model, open to edits. Nodes are in topological order, their names are unique; producers and uses of every value
/// are kept right under edits made through this class and <see cref="Node"/>.
/// </summary>
public sealed partial class Graph
{
    private readonly GraphProto _proto;
    private readonly List<Node> _nodes = [];
    private readonly Dictionary<string, Node> _byName = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<string, Tensor> _initializers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _sparse;
    private readonly Dictionary<string, GraphValue> _inputs;
    private readonly ValueLinks _links = new();
    private readonly UniqueNames _names = new();
    private readonly HashSet<string> _outputs;
    private readonly HashSet<string> _described;

    internal Graph(GraphProto proto)
    {
        _proto = proto;
        _sparse = [.. proto.SparseInitializer.Select(s => s.Values?.Name ?? "")];
        _inputs = new Dictionary<string, GraphValue>(StringComparer.Ordinal);
        foreach (var input in proto.Input)
            if (input.Name.Length == 0 || !_inputs.TryAdd(input.Name, new GraphValue(input)))
                throw new OnnxException($"input '{input.Name}'", "graph inputs need names of their own");
        foreach (var tensor in proto.Initializer)
            if (tensor.Name.Length == 0 || !_initializers.TryAdd(tensor.Name, new Tensor(tensor)))
                throw new OnnxException($"initializer '{tensor.Name}'", "initializers need names of their own");

        _names.UnionWith(SubgraphNames.All(proto));
        _outputs = [.. proto.Output.Select(o => o.Name)];
        _described = [.. proto.ValueInfo.Select(v => v.Name)];
        _names.UnionWith(_outputs);
        foreach (var node in NodeNames.MakeUnique(proto.Node, _names))
        {
            var added = new Node(node) { Graph = this };
            _nodes.Add(added);
            _byName.Add(added.Name, added);
            Link(added);
        }
        CheckValues();
        Sort();
    }

    public string Name => _proto.Name;

    /// <summary>Every node after those whose values it reads.</summary>
    public IReadOnlyList<Node> Nodes => _nodes;

    public IReadOnlyCollection<Tensor> Initializers => _initializers.Values;

    /// <summary>What a caller must feed: the inputs that no initializer gives a value.</summary>
    public IReadOnlyList<GraphValue> Inputs =>
        [.. _proto.Input.Where(i => !_initializers.ContainsKey(i.Name) && !_sparse.Contains(i.Name)).Select(i => _inputs[i.Name])];

    public IReadOnlyList<GraphValue> Outputs => [.. _proto.Output.Select(o => new GraphValue(o))];

    /// <summary>Types and shapes that the file states for inner values.</summary>
    public IReadOnlyList<GraphValue> ValueInfos => [.. _proto.ValueInfo.Where(v => _described.Contains(v.Name)).Select(v => new GraphValue(v))];

    public Node? Producer(string value) => _links.Producer(value);

    public Node? FindNode(string name) => _byName.GetValueOrDefault(name);

    public Tensor? Initializer(string value) => _initializers.GetValueOrDefault(value);

    /// <summary>Everything that reads the value, graph outputs aside.</summary>
    public IReadOnlyList<ValueUse> Uses(string value) => _links.Uses(value);

    /// <summary>Whether the value is declared as a graph input, with an initializer for its default or without.</summary>
    public bool IsInput(string value) => _inputs.ContainsKey(value);

    public bool IsOutput(string value) => _outputs.Contains(value);

    /// <summary>Whether the value exists: fed, stored or computed.</summary>
    public bool Has(string value) => _inputs.ContainsKey(value) || IsConstantStore(value) || _links.Producer(value) is not null;

    /// <summary>A name that nothing in the graph or below it has, and that will not be given again.</summary>
    public string UniqueName(string wanted) => _names.Make(wanted);

    /// <exception cref="OnnxException">The name is taken by another value.</exception>
    public Tensor AddInitializer(Tensor tensor)
    {
        if (Has(tensor.Name))
            throw new OnnxException($"initializer '{tensor.Name}'", "the name is taken");
        _initializers.Add(tensor.Name, tensor);
        _names.Add(tensor.Name);
        return tensor;
    }

    /// <summary>Puts other content in place of an initializer, under the same name; a graph input of that name follows its type and shape.</summary>
    public void ReplaceInitializer(string name, Tensor tensor)
    {
        if (!_initializers.ContainsKey(name))
            throw new OnnxException($"initializer '{name}'", "there is no such initializer");
        var renamed = tensor.Name == name ? tensor : tensor.WithName(name);
        _initializers[name] = renamed;
        if (_inputs.ContainsKey(name))
            ReplaceInput(new GraphValue(name, renamed.ElementType, renamed.Shape));
        RemoveValueInfo(name);
    }

    /// <summary>Removes an initializer and the graph input of the same name.</summary>
    public bool RemoveInitializer(string name)
    {
        if (!_initializers.Remove(name))
            return false;
        if (_inputs.Remove(name))
            _proto.Input.Remove(_proto.Input.First(i => i.Name == name));
        RemoveValueInfo(name);
        return true;
    }

    /// <summary>Adds the node directly before <paramref name="before"/>, or at the end.</summary>
    /// <exception cref="OnnxException">An output's name is taken.</exception>
    public Node Add(Node node, Node? before = null)
    {
        foreach (var output in node.Outputs.Where(o => o.Length > 0 && Has(o)))
            throw new OnnxException($"node '{node.Name}'", $"its output '{output}' exists already");
        if (node.Name.Length == 0 || _byName.ContainsKey(node.Name))
            node.Proto.Name = UniqueName(node.Name.Length == 0 ? node.OpType : node.Name);
        node.Graph = this;
        _byName.Add(node.Name, node);
        _names.Add(node.Name);
        _names.UnionWith(node.Outputs);
        _nodes.Insert(before is null ? _nodes.Count : _nodes.IndexOf(before), node);
        Link(node);
        return node;
    }

    public void Remove(Node node)
    {
        Unlink(node);
        _nodes.Remove(node);
        _byName.Remove(node.Name);
        node.Graph = null;
    }

    /// <summary>Removes many nodes in one sweep.</summary>
    public int RemoveWhere(Predicate<Node> predicate)
    {
        var removed = _nodes.FindAll(predicate).ToHashSet();
        _links.UnlinkAll(removed);
        foreach (var node in removed)
        {
            _byName.Remove(node.Name);
            node.Graph = null;
        }
        return _nodes.RemoveAll(removed.Contains);
    }

    /// <summary>Makes everything that reads <paramref name="from"/> read <paramref name="to"/>, bodies of control flow included; graph outputs stay.</summary>
    public void ReplaceUses(string from, string to)
    {
        foreach (var node in Uses(from).Where(u => u.InputIndex < 0).Select(u => u.Node).Distinct().ToList())
        {
            Unlink(node);
            node.RenameCaptured(from, to);
            Link(node);
        }
        _links.MoveInputs(from, to);
    }

    public void AddInput(GraphValue value)
    {
        if (Has(value.Name))
            throw new OnnxException($"input '{value.Name}'", "the name is taken");
        _inputs.Add(value.Name, value);
        _names.Add(value.Name);
        _proto.Input.Add(value.Proto);
    }

    /// <summary>Removes an input that nothing reads.</summary>
    /// <exception cref="OnnxException">A node reads it or it is an output.</exception>
    public bool RemoveInput(string name)
    {
        if (Uses(name).Count > 0 || IsOutput(name))
            throw new OnnxException($"input '{name}'", "it is still read");
        return _inputs.Remove(name) && _proto.Input.Remove(_proto.Input.First(i => i.Name == name));
    }

    public void AddOutput(GraphValue value)
    {
        if (!Has(value.Name))
            throw new OnnxException($"output '{value.Name}'", "there is no such value");
        if (_outputs.Add(value.Name))
            _proto.Output.Add(value.Proto);
    }

    public bool RemoveOutput(string name)
    {
        while (_proto.Output.FirstOrDefault(o => o.Name == name) is { } output)
            _proto.Output.Remove(output);
        return _outputs.Remove(name);
    }

    /// <summary>Drops what the file states of an inner value, for when it is no longer so.</summary>
    public bool RemoveValueInfo(string name) => _described.Remove(name);

    /// <summary>Puts the nodes in topological order; a node moves only where it must.</summary>
    /// <exception cref="OnnxException">The graph has a cycle.</exception>
    public void Sort() => TopologicalOrder.Sort(_nodes, Producer);

    internal void Link(Node node) => _links.Link(node);

    internal void Unlink(Node node) => _links.Unlink(node);

    /// <summary>The first node that reads a value which does not exist; null in a sound graph.</summary>
    internal (Node Node, string Value)? FindDangling()
    {
        foreach (var node in _nodes)
            foreach (var (value, _) in ValueLinks.ReadBy(node))
                if (!Has(value))
                    return (node, value);
        return null;
    }

    /// <summary>Writes the edits back into the message.</summary>
    internal void Flush()
    {
        Sort();
        _proto.Node.Clear();
        _proto.Node.AddRange(_nodes.Select(n => n.Proto));
        _proto.Initializer.Clear();
        _proto.Initializer.AddRange(_initializers.Values.Select(t => t.Proto));
        for (var i = _proto.ValueInfo.Count - 1; i >= 0; i--)
            if (!_described.Contains(_proto.ValueInfo[i].Name))
                _proto.ValueInfo.RemoveAt(i);
    }

    private bool IsConstantStore(string value) => _initializers.ContainsKey(value) || _sparse.Contains(value);

    private void ReplaceInput(GraphValue value)
    {
        _inputs[value.Name] = value;
        for (var i = 0; i < _proto.Input.Count; i++)
            if (_proto.Input[i].Name == value.Name)
                _proto.Input[i] = value.Proto;
    }

    private void CheckValues()
    {
        foreach (var node in _nodes)
        {
            if (node.Outputs.Count == 0)
                throw new OnnxException($"node '{node.Name}'", "it has no outputs");
            foreach (var output in node.Outputs)
                if (_inputs.ContainsKey(output) || IsConstantStore(output))
                    throw new OnnxException($"node '{node.Name}'", $"its output '{output}' is also a graph input or initializer");
        }
        if (FindDangling() is { } dangling)
            throw new OnnxException($"node '{dangling.Node.Name}'", $"it reads '{dangling.Value}', which nothing provides");
        foreach (var output in _proto.Output)
            if (!Has(output.Name))
                throw new OnnxException($"output '{output.Name}'", "nothing computes it");
    }
}
