namespace Orchestrator.Server.Leading;

/// <param name="Renewal">How often the active server renews its head.</param>
/// <param name="Patience">A head that has not changed for this long, by the standby's own monotonic clock, may be taken over.</param>
/// <param name="Margin">The active server stops acting this long before others may take over.</param>
/// <param name="Look">How often a standby looks.</param>
/// <param name="Attempt">A write without an answer for this long is tried again.</param>
public sealed record LeadershipOptions(TimeSpan Renewal, TimeSpan Patience, TimeSpan Margin, TimeSpan Look, TimeSpan Attempt)
{
    public static LeadershipOptions Default { get; } = new(
        TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(15), TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(3));

    /// <summary>How long a server may act after it asked for a renewal that was granted.</summary>
    public TimeSpan Right => Patience - Margin;
}
