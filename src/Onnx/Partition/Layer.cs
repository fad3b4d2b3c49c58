namespace Orchestrator.Onnx.Partition;

public enum LayerKind
{
    /// <summary>Conv: activations [N, C, spatial…], weight [Co, Ci/g, k…].</summary>
    Convolution = 1,

    /// <summary>Gemm or MatMul on activations […, columns]: the last axis holds the features, as with the constant on the right.</summary>
    FeaturesLast = 2,

    /// <summary>Gemm or MatMul on activations […, columns, positions]: the last axis but one holds the features, as with the constant on the left.</summary>
    FeaturesBeforeLast = 3,
}

/// <summary>A node with a weight that we compress, seen as a matrix [rows × columns] (algorithms.md 0.1).</summary>
public sealed class Layer
{
    internal Layer(Graph graph, Node node, LayerKind kind, int weightInput, WeightView weight, bool isTransposed)
    {
        Graph = graph;
        Node = node;
        Kind = kind;
        WeightInput = weightInput;
        Weight = weight;
        IsTransposed = isTransposed;
        var shape = weight.Tensor.Shape;
        RowAxis = kind == LayerKind.Convolution ? 0 : shape.Count - (isTransposed ? 1 : 2);
        Rows = (int)shape[RowAxis];
        Columns = (int)(weight.Tensor.Count / Math.Max(1, Rows));
        Groups = kind == LayerKind.Convolution ? (int)node.Int("group", 1) : 1;
        KernelPositions = kind == LayerKind.Convolution ? (int)shape.Skip(2).Aggregate(1L, (a, d) => a * d) : 1;
    }

    public Graph Graph { get; }

    public Node Node { get; }

    /// <summary>The node's name; unique in the model.</summary>
    public string Name => Node.Name;

    public string OpType => Node.OpType;

    public LayerKind Kind { get; }

    /// <summary>Output channels, all groups together.</summary>
    public int Rows { get; }

    /// <summary>Weights a row: input channels of one group × kernel positions.</summary>
    public int Columns { get; }

    public int Groups { get; }

    /// <summary>Kernel positions a column group holds: the product of the kernel's sides for a convolution, 1 otherwise.</summary>
    public int KernelPositions { get; }

    /// <summary>Where the weight is stored and who else reads it.</summary>
    public WeightView Weight { get; }

    /// <summary>Which input of the node the weight is.</summary>
    public int WeightInput { get; }

    /// <summary>Whether the tensor is stored [columns, rows]: Gemm without transB, MatMul with the constant on the right.</summary>
    public bool IsTransposed { get; }

    /// <summary>The axis of the stored tensor that counts the rows.</summary>
    public int RowAxis { get; }

    /// <summary>What a Gemm multiplies the product by; 1 for the others.</summary>
    public float Alpha { get; init; } = 1;

    /// <summary>Value that feeds the layer.</summary>
    public string Input => InputOf(Node);

    public string Output => Node.Output;

    /// <summary>How a convolution slides; null for the others.</summary>
    public ConvolutionGeometry? Geometry { get; internal set; }

    /// <summary>Columns of X that one sample contributes, output positions or tokens; -1 where the model's sizes leave it open.</summary>
    public long Positions { get; internal set; } = -1;

    /// <summary>Multiply-accumulates for one sample; -1 where <see cref="Positions"/> is open.</summary>
    public long Macs => Positions < 0 ? -1 : Positions * Rows * Columns;

    /// <summary>Other nodes that use the same weight in the same way; they are compressed together.</summary>
    public IReadOnlyList<Node> SharedWith { get; internal set; } = [];

    /// <summary>The node and those that share its weight.</summary>
    public IEnumerable<Node> Nodes => SharedWith.Prepend(Node);

    /// <summary>The first of <see cref="Nodes"/> in the graph as it is now.</summary>
    internal Node FirstNode
    {
        get
        {
            var own = Nodes.ToHashSet();
            return Graph.Nodes.First(own.Contains);
        }
    }

    /// <summary>Value that feeds one of the layer's nodes.</summary>
    public string InputOf(Node node) => node.Inputs[1 - WeightInput];

    public override string ToString() => $"{Name}: {OpType} [{Rows} × {Columns}]";
}
