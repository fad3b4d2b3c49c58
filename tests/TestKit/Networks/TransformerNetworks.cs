using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Networks;

/// <summary>The graphs of transformers, two blocks of a few features, with random weights.</summary>
public static class TransformerNetworks
{
    public const int Vocabulary = 32;

    private const int Width = 16;
    private const int Heads = 2;
    private const int Length = 8;
    private const int Blocks = 2;

    /// <summary>BERT's order: normalization after each residual. Input tokens [N, 8].</summary>
    public static OnnxModel Encoder(NetworkStyle style)
    {
        var net = new NetworkBuilder(style);
        var x = net.LayerNorm(Embedded(net, net.Tokens("x", Length)), Width);
        for (var block = 0; block < Blocks; block++)
        {
            x = net.LayerNorm(net.Add(x, Attention(net, x, Length, isCausal: false)), Width);
            x = net.LayerNorm(net.Add(x, Mlp(net, x)), Width);
        }

        var first = net.Graph.Add("Gather", [x, net.Graph.Constant(Tensor.FromLongs("first", [], [0]))], NodeAttribute.Int("axis", 1));
        return net.Build(net.Linear(net.Graph.Add("Tanh", [net.Linear(first, Width, Width)]), Width, 2));
    }

    /// <summary>GPT's order, causal, the projections of one block in one matrix, the head's weight shared with the embedding. Input tokens [N, 8].</summary>
    public static OnnxModel Decoder(NetworkStyle style)
    {
        var net = new NetworkBuilder(style);
        var table = net.Weight("embedding", Width, Vocabulary, Width);
        var x = net.Graph.Add("Gather", [table, net.Tokens("x", Length)]);
        for (var block = 0; block < Blocks; block++)
        {
            x = net.Add(x, Attention(net, net.LayerNorm(x, Width), Length, isCausal: true));
            x = net.Add(x, Mlp(net, net.LayerNorm(x, Width)));
        }

        return net.Build(net.Graph.MatMul(net.LayerNorm(x, Width), net.Graph.Transpose(table, 1, 0)));
    }

    /// <summary>Patches by a strided convolution, then blocks. Input [N, 3, 16, 16].</summary>
    public static OnnxModel Vision(NetworkStyle style)
    {
        const int Patches = 16;
        var net = new NetworkBuilder(style);
        var patches = net.Graph.Add(
            "Conv", [net.Input("x", 3, 16, 16), net.Weight("patch.weight", 48, Width, 3, 4, 4), net.Vector("patch.bias", Width, 0, 0.2)],
            NodeAttribute.Ints("strides", 4, 4));
        var x = net.Graph.Transpose(net.Graph.Reshape(patches, 0, Width, Patches), 0, 2, 1);
        x = net.Add(x, net.Weight("position", Width, 1, Patches, Width));
        for (var block = 0; block < Blocks; block++)
        {
            x = net.Add(x, Attention(net, net.LayerNorm(x, Width), Patches, isCausal: false));
            x = net.Add(x, Mlp(net, net.LayerNorm(x, Width)));
        }

        return net.Build(net.Linear(net.Graph.Reduce("ReduceMean", net.LayerNorm(x, Width), false, 1), Width, 10));
    }

    private static string Embedded(NetworkBuilder net, string tokens) =>
        net.Add(net.Graph.Add("Gather", [net.Weight("embedding", Width, Vocabulary, Width), tokens]), net.Weight("position", Width, 1, Length, Width));

    private static string Mlp(NetworkBuilder net, string x) =>
        net.SequenceLinear(net.Gelu(net.SequenceLinear(x, Width, 4 * Width)), 4 * Width, Width);

    private static string Attention(NetworkBuilder net, string x, int length, bool isCausal)
    {
        var graph = net.Graph;
        string[] parts = isCausal
            ? [.. net.Split(net.SequenceLinear(x, Width, 3 * Width), 2, Width, Width, Width)]
            : [.. Enumerable.Range(0, 3).Select(_ => net.SequenceLinear(x, Width, Width))];
        string[] heads = [.. parts.Select(part => graph.Transpose(graph.Reshape(part, 0, length, Heads, Width / Heads), 0, 2, 1, 3))];
        var scores = graph.Binary("Div", graph.MatMul(heads[0], graph.Transpose(heads[1], 0, 1, 3, 2)), net.Scalar(Math.Sqrt(Width / Heads)));
        if (isCausal)
            scores = net.Add(scores, Mask(net, length));
        var mixed = graph.Transpose(graph.MatMul(net.Softmax(scores, 4), heads[2]), 0, 2, 1, 3);
        return net.SequenceLinear(graph.Reshape(mixed, 0, length, Width), Width, Width);
    }

    /// <summary>Zero up to the diagonal, a large negative number above it.</summary>
    private static string Mask(NetworkBuilder net, int length)
    {
        var values = new double[length * length];
        for (var i = 0; i < values.Length; i++)
            values[i] = i % length > i / length ? -1e4 : 0;
        return net.Graph.Constant(Tensor.FromReals("mask", net.Style.Type, [length, length], values));
    }
}
