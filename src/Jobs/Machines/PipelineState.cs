using System.Collections.Immutable;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Jobs.Machines;

public enum PipelineStatus
{
    /// <summary>Waits for its given blobs.</summary>
    Waiting = 1,

    Running = 2,

    /// <summary>All units are committed.</summary>
    Finished = 3,

    /// <summary>A unit is quarantined.</summary>
    GivenUp = 4,

    Stopped = 5,
}

public enum OpenPhase
{
    LookingUp = 1,

    /// <summary>With the scheduler or a worker.</summary>
    Offered = 2,

    /// <summary>Waits before another attempt.</summary>
    Resting = 3,
}

/// <summary>How far a pipeline is. Only a window of units is open at a time, so the state does not grow with the number of units.</summary>
public sealed record PipelineState
{
    /// <summary>Units open at once where no worker waits for more: few enough that a fold of a million units stays small.</summary>
    public const int DefaultWindow = 256;

    /// <summary>Units open at once however many workers wait.</summary>
    public const int MaxWindow = 16_384;

    public required ImmutableArray<int> Stages { get; init; }
    public required RetryPolicy Retry { get; init; }

    /// <summary>Units that may be open at once. Grows by the workers that wait, so that it soon holds what all of them work on and some to spare.</summary>
    public int Window { get; init; } = DefaultWindow;

    public PipelineStatus Status { get; init; } = PipelineStatus.Waiting;

    /// <summary>The stage in work; the stages before it are committed.</summary>
    public int Stage { get; init; }

    /// <summary>The next unit of the stage to look up.</summary>
    public int Next { get; init; }

    /// <summary>Units of the stage that are committed.</summary>
    public int Done { get; init; }

    /// <summary>Units of the stage between look-up and commit, by index.</summary>
    public ImmutableSortedDictionary<int, OpenPhase> Open { get; init; } = ImmutableSortedDictionary<int, OpenPhase>.Empty;

    /// <summary>How often damaged blobs made it go back.</summary>
    public int Repairs { get; init; }

    /// <summary>How often collected activations made it go back.</summary>
    public int Regained { get; init; }

    public static PipelineState Create(IReadOnlyList<int> stages, RetryPolicy retry) => new() { Stages = [.. stages], Retry = retry };
}

public readonly record struct PipelineStep(PipelineState State, ImmutableArray<PipelineEffect> Effects);
