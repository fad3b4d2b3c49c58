using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Reports;

/// <summary><c>report.json</c>, and what <c>orc run --json</c> prints. Field names are a contract (design.md section 8).</summary>
public sealed record JobReport
{
    public const int CurrentSchema = 1;

    public int Schema { get; init; } = CurrentSchema;
    public required ReportStatus Status { get; init; }
    public string? Reason { get; init; }
    public required string Job { get; init; }
    public required MetricReport Baseline { get; init; }
    public required MetricReport Compressed { get; init; }
    public required BeforeAfter<long?> Size { get; init; }
    public required BeforeAfter<double?> Latency { get; init; }
    public required UnitsReport Units { get; init; }
    public required double Seconds { get; init; }
    /// <summary>Of the process that ran the job; null where several did.</summary>
    public required long? PeakMemoryBytes { get; init; }
    public required IReadOnlyList<Rescue> Rescues { get; init; }
    public IReadOnlyList<string> Reverted { get; init; } = [];
    public required IReadOnlyList<LayerReport> Layers { get; init; }

    /// <summary>What each correction did to each node, in their order.</summary>
    public IReadOnlyList<SiteCorrection> Corrections { get; init; } = [];
    /// <summary>How layers were reconstructed together, group by group and phase by phase; null where the recipe reconstructs nothing.</summary>
    public IReadOnlyList<GroupReport>? Reconstruction { get; init; }

    /// <summary>Activations that the written model quantizes, in its order; null where the recipe quantizes none.</summary>
    public IReadOnlyList<QuantizedActivation>? Activations { get; init; }

    public required string Profile { get; init; }

    /// <summary>Null where nobody estimated.</summary>
    public EstimateReport? Estimate { get; init; }

    public string? ModelSha256 { get; init; }
}

public enum ReportStatus
{
    Succeeded = 1,
    GoalMissed = 2,
    Cancelled = 3,
    Failed = 4,
}

/// <param name="Metric">Percent 0 to 100 for top1 and top5; null without evaluation data.</param>
/// <param name="Name">The metric's name.</param>
public sealed record MetricReport(double? Metric, string? Name);

public sealed record BeforeAfter<T>(T Before, T After);

public sealed record UnitsReport(int Total, int Computed, int Reused);

public sealed record LayerReport
{
    public required string Name { get; init; }
    public required string OpType { get; init; }
    public required string Block { get; init; }

    /// <summary>Methods applied, joined by <c>+</c>; null where the layer was left alone.</summary>
    public string? Method { get; init; }

    public required int Rows { get; init; }
    public required int Columns { get; init; }
    public required double Bits { get; init; }
    /// <summary>Of what the layer computes on, the most where there are several; 32 where one is float.</summary>
    public int ActivationBits { get; init; } = 32;

    public double Sparsity { get; init; }

    /// <summary>The share of zeros that the layer had before and kept; null where it had none to keep.</summary>
    public double? KeptZeros { get; init; }

    /// <summary>What the trace kept for the second pass, <c>rows</c> or <c>order</c>; null without one.</summary>
    public string? Trace { get; init; }

    public double? Loss { get; init; }
    public double? RelativeLoss { get; init; }
    public double Seconds { get; init; }

    /// <summary><c>compressed</c>, <c>sample</c> (only some rows), <c>skipped</c>, <c>unsupported</c> or <c>failed</c>.</summary>
    public required string Status { get; init; }

    public string? Reason { get; init; }

    /// <summary>Relative error and cosine of the layer's output in the written model; null where not compared.</summary>
    public double? OutputError { get; init; }

    public double? OutputCosine { get; init; }
}
