namespace Orchestrator.Onnx.Partition;

/// <summary>A node with weights that is left as it is.</summary>
public sealed record UnsupportedLayer(Node Node, string Reason);
