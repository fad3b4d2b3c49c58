namespace Orchestrator.Onnx.Partition;

/// <summary>Consecutive layers that are reconstructed together.</summary>
/// <param name="Name">Unique among the blocks.</param>
/// <param name="Input">The value that enters a residual unit, or the input of a chain's first layer.</param>
/// <param name="Output">The value that leaves: of the closing Add, or of a chain's last layer.</param>
/// <param name="IsResidual">Whether an addition of branches closes the block.</param>
public sealed record Block(string Name, IReadOnlyList<Layer> Layers, string Input, string Output, bool IsResidual);
