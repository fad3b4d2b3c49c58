namespace Orchestrator.Jobs.Outcomes;

/// <summary>Whether and when a failed unit is tried again. Pure.</summary>
/// <param name="MaxAttempts">Failed attempts after which a unit is quarantined.</param>
/// <param name="FirstDelay">Wait before the second attempt; doubles with each further one.</param>
/// <param name="MaxDelay">Upper bound of the wait.</param>
public sealed record RetryPolicy(int MaxAttempts, TimeSpan FirstDelay, TimeSpan MaxDelay)
{
    public static RetryPolicy Default { get; } = new(5, TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(30));

    /// <param name="failed">Failed attempts so far, this one included; a cancelled attempt does not count.</param>
    public RetryDecision Decide(Failure failure, int failed)
    {
        if (!failure.Retryable || failed >= MaxAttempts)
            return new RetryDecision(Quarantine: true, TimeSpan.Zero);
        var delay = FirstDelay * Math.Pow(2, failed - 1);
        return new RetryDecision(Quarantine: false, delay < MaxDelay ? delay : MaxDelay);
    }
}

public readonly record struct RetryDecision(bool Quarantine, TimeSpan Delay);
