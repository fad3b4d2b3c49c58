namespace Orchestrator.Grains.Scheduling;

/// <param name="Duration">How long a lease lasts without a heartbeat, and how long a worker is held to be alive that is not heard of.</param>
/// <param name="Tick">How often leases are checked.</param>
/// <param name="Redelivery">An ended attempt that its owner has not acknowledged is told again after this time.</param>
/// <param name="LongPoll">How long a worker's request for units may wait.</param>
public sealed record LeaseOptions(TimeSpan Duration, TimeSpan Tick, TimeSpan Redelivery, TimeSpan LongPoll)
{
    public static LeaseOptions Default { get; } =
        new(TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(20));

    /// <summary>A unit that others should get first, and that none of them took for so long, goes to whoever asks.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(2);
}
