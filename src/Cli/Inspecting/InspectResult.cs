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

    public static InspectResult Of(string file, ModelOutline outline, int cores) => new()
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
        Estimate = InspectEstimate.Of(outline, cores),
    };
}

/// <summary>What a job that prunes and quantizes every layer would take on this machine.</summary>
/// <param name="MemoryBytes">Peak of the process.</param>
/// <param name="Seconds">Wall time.</param>
/// <param name="Basis">What the figures assume.</param>
internal sealed record InspectEstimate(long MemoryBytes, double Seconds, string Basis)
{
    private const int Samples = 1024;

    /// <summary>Eliminations of a row: one to prune, one to quantize.</summary>
    private const int Passes = 2;

    public static InspectEstimate Of(ModelOutline outline, int cores)
    {
        var eliminations = outline.Layers.Sum(layer => Passes * layer.Rows * Math.Pow(layer.Columns, 3) / 3);
        var statistics = Samples * outline.Layers.Sum(layer => 2.0 * layer.Macs + (double)layer.Positions * layer.Groups * layer.Columns * layer.Columns);
        var seconds = (eliminations + statistics) / (cores * NominalSpeed.FlopsPerCore);
        return new InspectEstimate(Memory(outline, cores), seconds, $"{Samples} calibration samples, every layer pruned and quantized, {cores} slots, no evaluation");
    }

    /// <summary>
    /// The process itself, the model, cached blobs (shards, Hessian and inverse of each layer), and for each slot an unrolled layer input, the
    /// Hessians that one run of the graph gathers, and a layer's Hessian, inverse and workspace.
    /// </summary>
    private static long Memory(ModelOutline outline, int cores)
    {
        const int CachedCopies = 6;
        var hessians = outline.Layers.Select(layer => (double)layer.Groups * layer.Columns * layer.Columns * sizeof(double)).DefaultIfEmpty(0).ToList();
        var gathered = Math.Max(hessians.Max(), Math.Min(hessians.Sum(), NominalSpeed.GatheredBytes));
        var unrolled = outline.Layers.Select(layer => (double)NominalSpeed.Batch * layer.Positions * layer.Groups * layer.Columns * sizeof(float)).DefaultIfEmpty(0).Max();
        var cached = Math.Min(CachedCopies * hessians.Sum(), NominalSpeed.CacheBytes);
        return (long)(NominalSpeed.ProcessBytes + 4.0 * outline.Bytes + cached + cores * (1.5 * unrolled + gathered + 3 * hessians.Max()));
    }
}
