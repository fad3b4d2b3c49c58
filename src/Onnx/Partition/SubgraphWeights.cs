using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Partition;

/// <summary>Whether the body of an If, Loop or Scan holds layers.</summary>
internal static class SubgraphWeights
{
    private static readonly HashSet<string> Weighted =
        ["Conv", "ConvTranspose", "Gemm", "MatMul", "LSTM", "GRU", "RNN", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"];

    public static bool Any(GraphProto graph) =>
        graph.Node.Any(n => Weighted.Contains(n.OpType) || n.Attribute.Any(a => (a.G is not null && Any(a.G)) || a.Graphs.Any(Any)));
}
