using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Export;

/// <summary>What a check or a rewrite may look at.</summary>
internal sealed class UpgradeContext(OnnxModel model)
{
    private InferredShapes? _shapes;
    private ElementTypes? _types;
    private bool? _isFloat32;

    public OnnxModel Model => model;

    public Graph Graph => model.Graph;

    public IReadOnlyList<long>? Shape(string value) => (_shapes ??= InferredShapes.Of(model)).Find(value);

    /// <summary>The real type of a value, for constants that stand beside it; null where it cannot be told.</summary>
    public ElementType? RealType(string value) =>
        (_types ??= new ElementTypes(Graph)).Find(value) is { } type ? (type.IsReal() ? type : null) : IsFloat32 ? ElementType.Float32 : null;

    /// <summary>Stores an int64 vector for a node that takes as input what was an attribute. Nodes of a body read it from outside.</summary>
    public string Vector(Node node, string what, params long[] values) => Add(Tensor.FromLongs(NameOf(node, what), values));

    public string LongScalar(Node node, string what, long value) => Add(Tensor.FromLongs(NameOf(node, what), [], [value]));

    /// <summary>Stores a scalar of the type of the node's first input.</summary>
    public string Scalar(Node node, string what, float value) =>
        Add(Tensor.FromReals(NameOf(node, what), RealType(node.Inputs[0]) ?? ElementType.Float32, [], [value]));

    public string Add(Tensor tensor) => Graph.AddInitializer(tensor.WithName(Graph.UniqueName(tensor.Name))).Name;

    private static string NameOf(Node node, string what) => $"{(node.Name.Length > 0 ? node.Name : node.OpType)}.{what}";

    /// <summary>Whether float32 is the only real type of the model's constants and inputs.</summary>
    private bool IsFloat32 => _isFloat32 ??= Graph.Initializers.All(t => !t.ElementType.IsReal() || t.ElementType == ElementType.Float32)
        && Graph.Inputs.All(i => !i.ElementType.IsReal() || i.ElementType == ElementType.Float32);
}

/// <summary>An operator's change of form or meaning.</summary>
/// <param name="Version">The operator set that brought it.</param>
/// <param name="Check">Why this node cannot cross it; null where it can, or always.</param>
/// <param name="Apply">Rewrites the node; null where crossing needs nothing.</param>
/// <param name="InBody">Whether a node in the body of an If, Loop or Scan can cross too: it needs neither new nodes nor its neighbours.</param>
internal sealed record OpsetChange(int Version, Func<UpgradeContext, Node, string?>? Check = null, Action<UpgradeContext, Node>? Apply = null, bool InBody = false);
