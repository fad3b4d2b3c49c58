using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>Where a group of layers begins and ends in its model (algorithms.md 3.3).</summary>
/// <param name="Inputs">Activations that the group reads and does not compute, in the order of their first reader.</param>
/// <param name="Output">What is reconstructed: behind the last layer or the closing addition, and behind the activation function that follows.</param>
/// <param name="ChannelAxis">The output's axis of channels: 1, or negative from the end.</param>
public sealed record GroupBoundary(IReadOnlyList<string> Inputs, string Output, int ChannelAxis)
{
    /// <summary>The value by whose squares the loss is weighted (algorithms.md 3.6): the gradient of the task's loss with respect to the output. Null where all elements count alike.</summary>
    public string? Gradient { get; init; }

    /// <summary>
    /// Names of what the float model has in the place of <see cref="Inputs"/>, whose elements are mixed in while weights are tuned (QDrop); none where nothing is.
    /// </summary>
    public IReadOnlyList<string> Floats { get; init; } = [];

    private static readonly HashSet<string> s_activations =
        ["Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Softplus", "Mish"];

    /// <param name="layers">Names of the group's layers. One is a group by itself; several end where the last one's block does.</param>
    /// <exception cref="InvalidOperationException">The model has no such layer.</exception>
    public static GroupBoundary Of(OnnxModel model, ModelPartition partition, IReadOnlyList<string> layers)
    {
        Layer[] members = [.. layers.Select(name => partition.Find(name) ?? throw new InvalidOperationException($"The model has no layer '{name}'."))];
        if (members.Length == 0)
            throw new ArgumentException("A group has a layer at least.", nameof(layers));
        var last = members[^1];
        var output = Activated(model.Graph, members.Length == 1 ? last.Output : partition.BlockOf(last).Output);
        var axis = last.Kind switch { LayerKind.Convolution => 1, LayerKind.FeaturesLast => -1, _ => -2 };
        return new GroupBoundary(EnteringOf(model.Graph, members, output), output, axis);
    }

    /// <summary>The same with gradients where the loss asks for them.</summary>
    public GroupBoundary For(ReconstructionLoss loss) => this with { Gradient = loss == ReconstructionLoss.Mse ? null : $"gradient of {Output}" };

    /// <summary>The same with what the float model has in the place of what enters.</summary>
    public GroupBoundary Mixed() => this with { Floats = [.. Inputs.Select(input => $"float of {input}")] };

    /// <summary>A value and those that it depends on.</summary>
    public static IReadOnlySet<string> Upstream(Graph graph, string value)
    {
        var upstream = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([value]);
        while (pending.TryPop(out var next))
        {
            if (!upstream.Add(next))
                continue;
            foreach (var input in graph.Producer(next)?.Inputs ?? [])
                pending.Push(input);
        }

        return upstream;
    }

    /// <summary>The value behind the activation functions that read it and that nothing but them reads.</summary>
    private static string Activated(Graph graph, string value)
    {
        while (!graph.IsOutput(value) && graph.Uses(value) is [{ InputIndex: 0, Node: var node }] && s_activations.Contains(node.OpType))
            value = node.Output;
        return value;
    }

    private static List<string> EnteringOf(Graph graph, Layer[] members, string output)
    {
        var nodes = Between(graph, members, output);
        var computed = nodes.SelectMany(n => n.Outputs).ToHashSet(StringComparer.Ordinal);
        var seen = new HashSet<string>(computed, StringComparer.Ordinal);
        var inputs = new List<string>();
        foreach (var input in nodes.SelectMany(n => n.Inputs))
            Enter(input);
        return inputs;

        void Enter(string value)
        {
            if (value.Length == 0 || !seen.Add(value) || WeightView.Find(graph, value) is not null)
                return;
            if (!IsOfShapes(graph, value))
                inputs.Add(value);
            else
                foreach (var earlier in graph.Producer(value)!.Inputs)
                    Enter(earlier);
        }
    }

    /// <summary>Whether a value, such as a size to reshape to or a mask cut to length, depends on nothing but constants and shapes: a group computes it itself.</summary>
    private static bool IsOfShapes(Graph graph, string value)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([value]);
        while (pending.TryPop(out var next))
        {
            if (next.Length == 0 || !seen.Add(next) || WeightView.Find(graph, next) is not null)
                continue;
            if (graph.Producer(next) is not { } node)
                return false;
            if (node.Is("Shape") || node.Is("Size"))
                continue;
            if (node.HasSubgraphs)
                return false;
            foreach (var input in node.Inputs)
                pending.Push(input);
        }

        return true;
    }

    /// <summary>Nodes on the ways from the layers to the output, in the graph's order.</summary>
    private static List<Node> Between(Graph graph, Layer[] members, string output)
    {
        var upstream = Upstream(graph, output);
        var own = members.SelectMany(m => m.Nodes).ToHashSet();
        var reached = new HashSet<string>(StringComparer.Ordinal);
        var between = new List<Node>();
        foreach (var node in graph.Nodes.Where(n => n.Outputs.Any(upstream.Contains) && (own.Contains(n) || n.Inputs.Any(reached.Contains))))
        {
            between.Add(node);
            reached.UnionWith(node.Outputs);
        }

        return between;
    }
}
