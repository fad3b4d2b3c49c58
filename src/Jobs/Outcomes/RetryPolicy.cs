namespace Orchestrator.Jobs.Outcomes;

/// <summary>Whether and when a failed unit is tried again. Pure. Every way to fail has a bound of its own, so whatever happens in whatever order, a unit ends.</summary>
/// <param name="MaxAttempts">Attempts of one kind after which a unit is quarantined: workload failures, system failures, crashes.</param>
/// <param name="FirstDelay">Wait before the second attempt; doubles with each further one.</param>
/// <param name="MaxDelay">Upper bound of the wait.</param>
public sealed record RetryPolicy(int MaxAttempts, TimeSpan FirstDelay, TimeSpan MaxDelay)
{
    /// <summary>Within one process.</summary>
    public static RetryPolicy Default { get; } = new(5, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(30));

    /// <summary>Of servers and workers: longer waits and more of them where machines, disks or the store fail, since they recover.</summary>
    public static RetryPolicy Cluster { get; } = Default with { FirstDelay = TimeSpan.FromSeconds(1), MaxSystemFailures = 8 };

    /// <summary>Bound for failures of memory, disk, device or store.</summary>
    public int MaxSystemFailures { get; init; } = MaxAttempts;

    /// <summary>Bound for leases that were lost with others, or by a worker that went on: nothing speaks against the unit, but one that takes every process down with it ends here.</summary>
    public int MaxLosses { get; init; } = 2 * MaxAttempts;

    /// <param name="failure">The last one.</param>
    public RetryDecision Decide(Failure failure, AttemptCounts counts)
    {
        if (counts.Workload >= MaxAttempts || counts.System >= MaxSystemFailures || counts.Crashes >= MaxAttempts || counts.Losses >= MaxLosses || (!failure.Retryable && counts.IsConfirmed))
            return new RetryDecision(Quarantine: true, TimeSpan.Zero);
        var delay = FirstDelay * Math.Pow(2, Math.Max(counts.All, 1) - 1);
        return new RetryDecision(Quarantine: false, delay < MaxDelay ? delay : MaxDelay);
    }
}

public readonly record struct RetryDecision(bool Quarantine, TimeSpan Delay);

/// <summary>Failed attempts of a unit by kind, the last one included. An attempt that was handed back does not count.</summary>
/// <param name="Workload">The computation itself failed.</param>
/// <param name="System">Memory, disk, device or store failed under it.</param>
/// <param name="Crashes">The worker fell silent while it held nothing else.</param>
/// <param name="Losses">The lease was lost otherwise.</param>
/// <param name="IsConfirmed">Another worker failed with the fingerprint of the last failure, or no other could have tried.</param>
public readonly record struct AttemptCounts(int Workload, int System, int Crashes, int Losses, bool IsConfirmed)
{
    public int All => Workload + System + Crashes + Losses;
}
