using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>
/// The runtime puts functions in place of their calls. That must end and stay small, so functions that call each other in a circle, or that
/// double at every level, are refused: the calls form a tree of bounded depth and size.
/// </summary>
internal sealed class FunctionCheck
{
    private readonly Dictionary<(string Domain, string Name, string Overload), FunctionProto> _functions = [];
    private readonly Dictionary<FunctionProto, (long Nodes, int Depth)> _sizes = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<FunctionProto> _open = new(ReferenceEqualityComparer.Instance);

    private FunctionCheck(ModelProto model)
    {
        foreach (var function in model.Functions)
            if (!_functions.TryAdd((Normal(function.Domain), function.Name, function.Overload), function))
                throw new OnnxException(Subject(function), "the model defines the function twice");
    }

    /// <exception cref="OnnxException">A function calls itself, is defined twice, or the calls unfold to more nodes than a model may have.</exception>
    public static void Run(ModelProto model)
    {
        if (model.Functions.Count == 0)
            return;
        var check = new FunctionCheck(model);
        foreach (var function in model.Functions)
            check.Measure(function);
        check.Size("model", model.Graph.Node);
    }

    /// <summary>Sizes of the function and all that it calls, without recursion: a chain of calls may be as long as the file.</summary>
    private void Measure(FunctionProto root)
    {
        var pending = new Stack<FunctionProto>([root]);
        while (pending.TryPeek(out var function))
        {
            if (_sizes.ContainsKey(function))
            {
                pending.Pop();
                continue;
            }
            var callees = new HashSet<FunctionProto>(ReferenceEqualityComparer.Instance);
            callees.UnionWith(All(function.Node).Select(Called).OfType<FunctionProto>().Where(f => !_sizes.ContainsKey(f)));
            if (callees.Count == 0)
            {
                _sizes.Add(function, Size(Subject(function), function.Node));
                _open.Remove(function);
                continue;
            }
            _open.Add(function);
            if (callees.FirstOrDefault(_open.Contains) is { } circular)
                throw new OnnxException(Subject(circular), "the function calls itself, directly or through others");
            foreach (var callee in callees)
                pending.Push(callee);
        }
    }

    private (long Nodes, int Depth) Size(string subject, IEnumerable<NodeProto> nodes)
    {
        var (size, depth) = (0L, 1);
        foreach (var node in All(nodes))
        {
            var (inner, below) = Called(node) is { } function ? _sizes[function] : (0, 0);
            (size, depth) = (size + 1 + inner, Math.Max(depth, below + 1));
            if (size > WireCheck.MaxNodes)
                throw new OnnxException(subject, $"with the model's {_functions.Count} functions in place of their calls it has more than {WireCheck.MaxNodes} nodes");
            if (depth > WireCheck.MaxDepth)
                throw new OnnxException(subject, $"functions call each other deeper than {WireCheck.MaxDepth}");
        }
        return (size, depth);
    }

    private FunctionProto? Called(NodeProto node) => _functions.GetValueOrDefault((Normal(node.Domain), node.OpType, node.Overload));

    private static IEnumerable<NodeProto> All(IEnumerable<NodeProto> nodes)
    {
        foreach (var node in nodes)
        {
            yield return node;
            foreach (var attribute in node.Attribute)
                foreach (var graph in attribute.G is null ? attribute.Graphs : attribute.Graphs.Prepend(attribute.G))
                    foreach (var inner in All(graph.Node))
                        yield return inner;
        }
    }

    private static string Normal(string domain) => domain == "ai.onnx" ? "" : domain;

    private static string Subject(FunctionProto function) => $"function '{function.Domain}.{function.Name}'";
}
