using Orchestrator.Jobs.Outlines;

namespace Orchestrator.Cli.Inspecting;

/// <summary>What <c>orc inspect --json</c> prints. Field names are a contract (design.md section 8).</summary>
internal sealed record InspectResult
{
    public required string Model { get; init; }
    public required string Sha256 { get; init; }
    public required long SizeBytes { get; init; }
    public required int Opset { get; init; }
    public required IReadOnlyList<TensorOutline> Inputs { get; init; }
    public required IReadOnlyList<TensorOutline> Outputs { get; init; }
    public required IReadOnlyList<LayerOutline> Layers { get; init; }
    public required IReadOnlyList<BlockOutline> Blocks { get; init; }
    public required IReadOnlyList<UnsupportedNode> Unsupported { get; init; }
    public required long Parameters { get; init; }

    /// <summary>Multiply-accumulates of one sample.</summary>
    public required long Macs { get; init; }

    public required InspectEstimate Estimate { get; init; }

    public static InspectResult Of(string file, ModelOutline outline, InspectEstimate estimate) => new()
    {
        Model = file,
        Sha256 = outline.Digest,
        SizeBytes = outline.Bytes,
        Opset = outline.Opset,
        Inputs = outline.Inputs,
        Outputs = outline.Outputs,
        Layers = outline.Layers,
        Blocks = outline.Blocks,
        Unsupported = outline.Unsupported,
        Parameters = outline.Parameters,
        Macs = outline.Macs,
        Estimate = estimate,
    };
}
