using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Reports;

/// <summary>The fold of a job's commits: what its report is made from, however many units there were.</summary>
public sealed record JobSummary
{
    public required IReadOnlyList<LayerSummary> Layers { get; init; }

    /// <summary>Metric of the float model; null without evaluation data or where it failed.</summary>
    public MetricFold? Baseline { get; init; }

    public MetricFold? Compressed { get; init; }
    public double? LatencyBeforeMs { get; init; }
    public double? LatencyAfterMs { get; init; }

    /// <summary>Bytes of the written model; null where none was written.</summary>
    public long? ModelBytes { get; init; }

    /// <summary>Activations that the written model quantizes; empty where it computes in float.</summary>
    public IReadOnlyList<QuantizedActivation> Activations { get; init; } = [];

    public IReadOnlyList<LayerCheck> Checks { get; init; } = [];

    /// <summary>What corrections did, in their order.</summary>
    public IReadOnlyList<SiteCorrection> Corrections { get; init; } = [];

    /// <summary>How each group's reconstruction went, phase by phase; empty where the plan reconstructs nothing.</summary>
    public IReadOnlyList<GroupSummary> Groups { get; init; } = [];

    /// <summary>Rescues that belong to no single layer.</summary>
    public IReadOnlyList<Rescue> Rescues { get; init; } = [];

    public required int Computed { get; init; }

    /// <summary>Units whose commit was there already or came from another process.</summary>
    public required int Reused { get; init; }
}

/// <summary>A metric summed over shards in their order.</summary>
public sealed record MetricFold(double Sum, long Count)
{
    /// <summary>The value of a named metric: percent for top1 and top5, the mean otherwise.</summary>
    public double? Value(string metric) => Count == 0 ? null : Sum / Count * (metric is "top1" or "top5" ? 100 : 1);
}

/// <summary>A group's commit.</summary>
public sealed record GroupSummary(GroupPlan Group, UnitMetrics Metrics);

/// <summary>The fold of one layer's commits.</summary>
public sealed record LayerSummary
{
    public required int Index { get; init; }

    /// <summary>Null when solved; otherwise why it was left as it was.</summary>
    public string? Failure { get; init; }

    public double? Loss { get; init; }
    public double? ZeroLoss { get; init; }
    public long ZeroWeights { get; init; }
    public long Weights { get; init; }

    /// <summary>Computation time of all its units together.</summary>
    public double Seconds { get; init; }

    public IReadOnlyList<Rescue> Rescues { get; init; } = [];
}
