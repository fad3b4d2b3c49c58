namespace Orchestrator.Jobs.Outlines;

/// <summary>What planning needs to know of a model, and nothing that has to be trusted: a worker parses the model, the planner reads this.</summary>
public sealed record ModelOutline
{
    /// <summary>Hex SHA-256 of the model file.</summary>
    public required string Digest { get; init; }

    /// <summary>Size in bytes, external data included.</summary>
    public required long Bytes { get; init; }

    public required int Opset { get; init; }
    public required IReadOnlyList<TensorOutline> Inputs { get; init; }
    public required IReadOnlyList<TensorOutline> Outputs { get; init; }

    /// <summary>Compressible layers in topological order.</summary>
    public required IReadOnlyList<LayerOutline> Layers { get; init; }

    public required IReadOnlyList<BlockOutline> Blocks { get; init; }
    public required IReadOnlyList<UnsupportedNode> Unsupported { get; init; }

    /// <summary>Batch norms and LayerNormalizations whose parameters are constants, in topological order.</summary>
    public IReadOnlyList<ChannelSite> Norms { get; init; } = [];

    /// <summary>Every node of every layer, in topological order.</summary>
    public IReadOnlyList<ChannelSite> LayerOutputs { get; init; } = [];
    public required long Parameters { get; init; }

    /// <summary>Multiply-accumulates of one forward pass of one sample.</summary>
    public required long Macs { get; init; }
}

/// <param name="ElementType">ONNX element type in lower case: <c>float32</c>, <c>int64</c>, …</param>
/// <param name="Shape">Dimensions; -1 where the model leaves one open.</param>
public sealed record TensorOutline(string Name, string ElementType, IReadOnlyList<long> Shape);

/// <summary>A node with a weight that we compress, seen as a matrix [rows × columns] (algorithms.md 0.1).</summary>
public sealed record LayerOutline
{
    /// <summary>The node's name; unique in the model.</summary>
    public required string Name { get; init; }

    public required string OpType { get; init; }

    /// <summary>Output channels, all groups together.</summary>
    public required int Rows { get; init; }

    /// <summary>Weights a row: input channels of one group × kernel positions.</summary>
    public required int Columns { get; init; }

    public int Groups { get; init; } = 1;

    /// <summary>Kernel positions a column group holds: kh·kw for a convolution, 1 otherwise. Columns = input channels × this.</summary>
    public int KernelPositions { get; init; } = 1;

    public required long Macs { get; init; }

    /// <summary>Columns of X that one sample contributes: output positions or tokens.</summary>
    public required long Positions { get; init; }

    /// <summary>Other nodes that use the same weight; they are compressed together.</summary>
    public IReadOnlyList<string> SharedWith { get; init; } = [];

    public required string Block { get; init; }

    /// <summary>Why it cannot be reconstructed; null where it can.</summary>
    public string? Obstacle { get; init; }

    /// <summary>Whether nothing that it computes by itself is quantized where activations are: it leaves the network, or only goes into an addition.</summary>
    public bool LeavesFloat { get; init; }

    /// <summary>The share of exact zeros among its weights; of a large layer, among a part of them.</summary>
    public double Zeros { get; init; }
}

/// <summary>A node whose output can be corrected channel by channel.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Layer">The layer it is part of; null for a normalization.</param>
/// <param name="Depth">The most nodes of its kind that lie one behind the other before it.</param>
public sealed record ChannelSite(string Node, string OpType, string? Layer, ChannelAxis Axis, int Channels, int Depth);

/// <summary>Which axis of an output counts the channels.</summary>
public enum ChannelAxis
{
    Second = 1,
    Last = 2,
    LastButOne = 3,
}

/// <param name="Obstacle">Why its layers cannot be reconstructed together; null where they can.</param>
public sealed record BlockOutline(string Name, IReadOnlyList<string> Layers, string? Obstacle = null);

/// <summary>A node with weights that is left as it is.</summary>
public sealed record UnsupportedNode(string Name, string OpType, string Reason);
