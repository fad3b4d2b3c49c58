using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Grains.Pipelines;

/// <summary>Units with failures, as users are told of them.</summary>
internal static class UnitTroubles
{
    private const string Quarantined = "quarantined";
    private const string Resting = "resting";

    public static UnitTrouble Of(OpenUnit unit) => Make(unit.Unit.Id, unit.NextTry is null ? "retrying" : Resting, unit.Failure!, unit.Attempts, unit.NextTry);

    /// <param name="attempts">Empty where no attempt of its own led to it.</param>
    public static UnitTrouble GivenUp(string unit, Failure failure, IReadOnlyList<FailedAttempt> attempts) => Make(unit, Quarantined, failure, attempts, null);

    /// <summary>Those given up first, then those that rest.</summary>
    public static IReadOnlyList<UnitTrouble> InOrder(IEnumerable<UnitTrouble> troubles, int most) => [.. troubles
        .OrderBy(t => t.Code switch { Quarantined => 0, Resting => 1, _ => 2 })
        .ThenBy(t => t.Unit, StringComparer.Ordinal)
        .Take(most)];

    /// <summary>Whether nothing has happened between two looks.</summary>
    public static bool AreAlike(IReadOnlyList<UnitTrouble> left, IReadOnlyList<UnitTrouble> right) =>
        left.Select(t => (t.Unit, t.Code, t.Attempts)).SequenceEqual(right.Select(t => (t.Unit, t.Code, t.Attempts)));

    private static UnitTrouble Make(string unit, string code, Failure failure, IReadOnlyList<FailedAttempt> attempts, DateTimeOffset? nextTry) =>
        new(unit, code, failure.Message, attempts.Count, [.. attempts.Select(a => a.Worker)], Fingerprints.Of(failure), nextTry) { Failure = failure.Code };
}
