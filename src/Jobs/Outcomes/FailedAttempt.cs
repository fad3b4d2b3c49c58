namespace Orchestrator.Jobs.Outcomes;

/// <summary>One failed attempt of a unit, as it is remembered.</summary>
/// <param name="Fingerprint">See <see cref="Fingerprints"/>.</param>
/// <param name="IsCrash">Of a lost lease: the worker fell silent and held nothing else.</param>
public sealed record FailedAttempt(string Worker, OutcomeKind Kind, string Fingerprint, bool IsCrash)
{
    /// <param name="attempts">All of a unit, in order; the last one is the one to decide on.</param>
    /// <param name="hadNoOther">No other worker could have tried.</param>
    public static AttemptCounts Count(IReadOnlyList<FailedAttempt> attempts, bool hadNoOther)
    {
        var last = attempts[^1];
        return new AttemptCounts(
            attempts.Count(a => a.Kind == OutcomeKind.WorkloadFailed),
            attempts.Count(a => a.Kind == OutcomeKind.SystemFailed),
            attempts.Count(a => a is { Kind: OutcomeKind.Lost, IsCrash: true }),
            attempts.Count(a => a is { Kind: OutcomeKind.Lost, IsCrash: false }),
            IsConfirmed: hadNoOther || attempts.Any(a => a.Fingerprint == last.Fingerprint && a.Worker != last.Worker));
    }
}
