using Orchestrator.Jobs.Plans;

namespace Orchestrator.Checkpoints.Cluster;

public enum JobWish
{
    Run = 1,
    Pause = 2,
    Cancel = 3,
}

/// <summary>What a job of a cluster shall do. What it has done is told by commits and ends alone.</summary>
public sealed record JobHead
{
    public const int CurrentSchema = 1;

    public required string Name { get; init; }
    public required JobWish Wish { get; init; }

    /// <summary>Who asked for a cancel, or why; null for other wishes.</summary>
    public string? Reason { get; init; }

    public required DateTimeOffset Submitted { get; init; }

    /// <summary>The generation of commits that it was last begun in.</summary>
    public required int Generation { get; init; }

    /// <summary>The run that is wished for: an end of it, or of a later one, is the job's end. Ends of earlier runs are history.</summary>
    public required int Run { get; init; }

    /// <summary>Chosen by whoever submitted it, so that a request that is sent twice is carried out once; null where it chose none.</summary>
    public string? Request { get; init; }

    /// <summary>Trace context of whoever submitted it, so that the next server goes on with the same trace; null where nothing is traced.</summary>
    public string? Trace { get; init; }

    /// <summary>What its report is made from: parts of one compressed document, in the tenant's inputs.</summary>
    public required IReadOnlyList<SourceBlob> Documents { get; init; }
}
