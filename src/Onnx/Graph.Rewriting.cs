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
