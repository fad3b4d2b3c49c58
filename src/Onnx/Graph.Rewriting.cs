namespace Orchestrator.Onnx;

/// <summary>Edits that passes and exports have in common.</summary>
public sealed partial class Graph
{
    /// <summary>Stores a constant under its own name, made unique, for nodes that read it as another real type perhaps.</summary>
    /// <returns>The value to read: the initializer, or a Cast of it.</returns>
    internal string AddConstant(Tensor tensor, ElementType readAs, Node before)
    {
        var stored = AddInitializer(tensor.WithName(UniqueName(tensor.Name))).Name;
        return tensor.ElementType == readAs
            ? stored
            : Add(new Node("Cast", $"{stored}/Cast", [stored], [UniqueName($"{stored}_cast")], NodeAttribute.Int("to", (long)readAs)), before).Output;
    }

    /// <summary>Gives what computes a value another name: a node that is added next takes its place for all who read the value, outputs of the graph included.</summary>
    /// <returns>The new name.</returns>
    /// <exception cref="OnnxException">Nothing computes the value.</exception>
    public string MoveAside(string value)
    {
        var producer = Producer(value) ?? throw new OnnxException(value, "it is no computed value of the model, so nothing can take its place");
        var aside = UniqueName($"{value}/float");
        producer.SetOutput(producer.Outputs.Index().First(o => o.Item == value).Index, aside);
        return aside;
    }

    /// <summary>Edits the nodes in the bodies of an If, Loop or Scan; they may come to read other values of this graph.</summary>
    internal void EditBodies(Node node, Action<Node> edit)
    {
        Unlink(node);
        foreach (var inner in node.Bodies.ToList())
            edit(inner);
        node.ForgetCaptured();
        Link(node);
    }
}
