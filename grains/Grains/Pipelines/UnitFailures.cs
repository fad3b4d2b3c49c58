using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>Failed attempts of a pipeline's units: counts them, and says who should get a unit next.</summary>
/// <param name="isOpen">Whether a unit of that id is in work.</param>
internal sealed class UnitFailures(PipelineContext context, UnitOwner owner, Func<string, bool> isOpen)
{
    /// <summary>How often a unit may be handed back before that counts as losing it.</summary>
    private const int MostHandedBack = 20;

    private OpenUnit? _last;
    private UnitTrouble? _givenUp;

    public UnitOffer OfferOf(OpenUnit open)
    {
        open.NextTry = null;
        return new UnitOffer(owner, context.Job.Tenant, context.Job.JobId, open.Unit)
        {
            // A worker that lost this with others had trouble of its own.
            Avoid = [.. open.Attempts.Where(a => a.Kind != OutcomeKind.Lost || a.IsCrash).Select(a => a.Worker).Distinct(StringComparer.Ordinal)],
            MemoryBytes = open.MemoryBytes,
            WantedBytes = open.WantedBytes,
            Trace = context.Trace,
        };
    }

    /// <summary>The unit was handed back unfinished.</summary>
    /// <returns>Null where that happened so often that it counts as lost.</returns>
    public static PipelineEvent? HandBack(OpenUnit open, Failure reason) =>
        ++open.HandedBack < MostHandedBack ? new PipelineEvent.AttemptFailed(open.Place, OutcomeKind.Cancelled, reason, default) : null;

    /// <summary>What is wrong with a completed attempt that names outputs of another.</summary>
    public Failure? Foreign(WorkUnit unit, AttemptEnd ended)
    {
        var prefix = BlobNames.OutputPrefix(context.Job.Tenant, unit.Key, ended.Epoch);
        return ended.Outcome.Outputs.FirstOrDefault(o => o.Blob.Name != BlobNames.Output(prefix, o.Role)) is { } foreign
            ? new Failure("foreign-output", $"Unit '{unit.Id}' named '{foreign.Blob.Name}', which is not the attempt's own.", Retryable: true)
            : null;
    }

    /// <summary>Counts a failed attempt.</summary>
    public async Task<PipelineEvent> CountAsync(OpenUnit open, AttemptEnd ended, OutcomeKind kind, Failure failure, CancellationToken cancellationToken)
    {
        var attempt = new FailedAttempt(ended.Worker, kind, Fingerprints.Of(failure), ended.IsCrash);
        (open.Attempts, open.Failure, _last) = (await context.Attempts.AddAsync(open.Unit.Id, attempt, MayFail, cancellationToken), failure, open);
        if (failure.Code == Failure.OutOfMemory && ended.FreeBytes is { } free)
            open.WantedBytes = Math.Max(open.WantedBytes ?? 0, free + free / 4);
        return new PipelineEvent.AttemptFailed(open.Place, kind, failure, FailedAttempt.Count(open.Attempts, ended.HadNoOther));
    }

    public void Rest(OpenUnit open, TimeSpan delay) => open.NextTry = context.Host.Clock.GetUtcNow() + delay;

    public void GiveUp(string unit, Failure failure) => _givenUp = UnitTroubles.GivenUp(unit, failure, _last is { } last && last.Unit.Id == unit ? last.Attempts : []);

    /// <summary>Units that failed and are not committed.</summary>
    public IReadOnlyList<UnitTrouble> Troubles(IEnumerable<OpenUnit> open, int most) =>
        UnitTroubles.InOrder(open.Where(o => o.Failure is not null).Select(UnitTroubles.Of).Concat(_givenUp is null ? [] : [_givenUp]), most);

    /// <summary>Units whose failed attempts still matter. A model's grain counts for several pipelines of few units and keeps them all.</summary>
    private bool MayFail(string unit) => owner.Kind == OwnerKind.Model || isOpen(unit);
}
