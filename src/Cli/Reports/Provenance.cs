namespace Orchestrator.Cli.Reports;

/// <summary>
/// <c>provenance.json</c>: what the model was made from and by what. It names no machine and no absolute path, so two runs of one recipe differ only in the times.
/// </summary>
internal sealed record Provenance
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;
    public required ProductStamp Product { get; init; }
    public required string Job { get; init; }
    public required FileStamp Recipe { get; init; }
    public required FileStamp Model { get; init; }
    public required FileStamp Calibration { get; init; }
    public required FileStamp? Evaluation { get; init; }
    public required string PlanSha256 { get; init; }

    /// <summary>Numeric profile: kernel width, execution provider, runtime version.</summary>
    public required string Profile { get; init; }

    public required long Seed { get; init; }

    /// <summary>Digest of the manifest that lists every unit's commit.</summary>
    public required string? ManifestSha256 { get; init; }

    /// <summary>The model that was written; null where there is none.</summary>
    public required string? ResultSha256 { get; init; }

    public required DateTimeOffset Started { get; init; }
    public required DateTimeOffset Ended { get; init; }
}

internal sealed record ProductStamp(string Name, string Version, string OnnxRuntime);

/// <param name="File">As the recipe writes it, relative to the recipe's folder; for the recipe itself its file name.</param>
internal sealed record FileStamp(string File, string Sha256, long Bytes);
