using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>
/// Carries out what the <see cref="PipelineMachine"/> decides: looks keys up, offers units, writes commits, waits. Used within the turns
/// of one grain only.
/// </summary>
/// <param name="report">Called at the end of whatever led to the report.</param>
internal sealed class PipelineRun(PipelineContext context, UnitOwner owner, IUnitPipeline pipeline, Func<PipelineReport, Task> report)
{
    private readonly Dictionary<string, OpenUnit> _open = new(StringComparer.Ordinal);
    private readonly List<UnitOffer> _offers = [];
    private readonly List<JobEvent> _events = [];
    private readonly HashSet<Rescue> _rescues = [];
    private PipelineState _state = PipelineState.Create(pipeline.Stages, context.Retry);
    private IReadOnlyList<BlobRef> _given = [];
    private BlobRef? _starvedOf;

    public PipelineFold Fold { get; } = new();

    public PipelineStatus Status => _state.Status;

    /// <summary>What happened since the last call.</summary>
    public IReadOnlyList<JobEvent> TakeEvents()
    {
        JobEvent[] events = [.. _events];
        _events.Clear();
        return events;
    }

    /// <summary>Starts, or goes on with repaired blobs; nothing happens to a pipeline that waits for none.</summary>
    public async Task BeginAsync(IReadOnlyList<BlobRef> given, CancellationToken cancellationToken)
    {
        if (_state.Status != PipelineStatus.Waiting)
            return;
        _given = given;
        await FeedAsync(new PipelineEvent.Begun(), cancellationToken);
    }

    /// <summary>Commits a completed attempt, or lets the machine decide what follows a failed one.</summary>
    public Task AttemptEndedAsync(AttemptEnd ended, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        if (!_open.TryGetValue(ended.Unit.Id, out var open) || open.Unit.Key != ended.Unit.Key || ended.Epoch <= open.Seen || _state.Status != PipelineStatus.Running)
            return;
        open.Seen = ended.Epoch;
        var happened = ended.Outcome.Kind == OutcomeKind.Completed
            ? await CommitAsync(open, ended, cancellationToken)
            : await FailedAsync(open, ended, cancellationToken);
        await StepAsync(happened, cancellationToken);
    });

    /// <summary>Makes a damaged blob again.</summary>
    /// <returns>False where no unit of this pipeline stands for it any more: it was made again already.</returns>
    public async Task<bool> RepairAsync(BlobRef damaged, CancellationToken cancellationToken)
    {
        if (Fold.ProducerOf(damaged.Name) is not { } producer)
            return false;
        Note("damaged", $"'{damaged.Name}' is damaged; {Fold[producer].Id} runs again.");
        await FeedAsync(new PipelineEvent.Damaged(producer), cancellationToken);
        return true;
    }

    public Task StopAsync(CancellationToken cancellationToken) => FeedAsync(new PipelineEvent.Stopped(), cancellationToken);

    private Task FeedAsync(PipelineEvent happened, CancellationToken cancellationToken) => GuardAsync(() => StepAsync(happened, cancellationToken));

    /// <summary>A store that fails is the job's concern, not this turn's.</summary>
    private async Task GuardAsync(Func<Task> turn)
    {
        try
        {
            await turn();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or InputException { Code: "store-newer" })
        {
            await report(new PipelineReport.StoreFailed(cause.Message));
        }
    }

    private async Task StepAsync(PipelineEvent first, CancellationToken cancellationToken)
    {
        var events = new Queue<PipelineEvent>([first]);
        PipelineReport? told = null;
        while (events.TryDequeue(out var happened))
        {
            var step = PipelineMachine.Step(_state, happened);
            _state = step.State;
            foreach (var effect in step.Effects)
                told = await ActAsync(effect, events, cancellationToken) ?? told;
        }

        if (_offers.Count > 0)
        {
            UnitOffer[] offers = [.. _offers];
            _offers.Clear();
            await context.Scheduler.OfferAsync(offers, cancellationToken);
        }

        if (told is not null)
            await report(told);
    }

    private async Task<PipelineReport?> ActAsync(PipelineEffect effect, Queue<PipelineEvent> events, CancellationToken cancellationToken)
    {
        switch (effect)
        {
            case PipelineEffect.LookUp e:
                events.Enqueue(new PipelineEvent.LookedUp(e.Unit, await LookUpAsync(e.Unit, cancellationToken)));
                return null;
            case PipelineEffect.Offer e:
                var id = pipeline[e.Unit].Id;
                _offers.Add(new UnitOffer(owner, context.Job.Tenant, context.Job.JobId, _open[id].Unit));
                return null;
            case PipelineEffect.Rest e:
                context.Host.StartTimer(e.Delay, null, () => FeedAsync(new PipelineEvent.Rested(e.Unit), context.Host.Stopping));
                return null;
            case PipelineEffect.Withdraw:
                _open.Clear();
                _offers.Clear();
                await context.Scheduler.WithdrawAsync(owner, cancellationToken);
                return null;
            case PipelineEffect.Invalidate e:
                var damaged = Fold[e.Unit];
                Fold.Remove(e.Unit);
                await context.Checkpoints.InvalidateAsync(context.Scope, damaged.Key, damaged.Epoch, cancellationToken);
                return null;
            case PipelineEffect.AskForGiven:
                return new PipelineReport.Starved(_starvedOf!);
            case PipelineEffect.Finish:
                return new PipelineReport.Finished();
            case PipelineEffect.GiveUp e:
                return new PipelineReport.GivenUp(pipeline[e.Unit].Id, e.Failure);
            default:
                throw new ArgumentOutOfRangeException(nameof(effect), effect.GetType().Name, "no such effect");
        }
    }

    private async Task<bool> LookUpAsync(UnitPlace place, CancellationToken cancellationToken)
    {
        var planned = pipeline[place];
        var inputs = planned.Inputs.Select(i => new UnitInput(i.Role, Resolve(i.Source))).ToArray();
        var key = UnitKeys.Compute(planned.Kind, planned.Spec, inputs, context.Profile);
        if (await context.Checkpoints.ReadCommitAsync(context.Scope, key, cancellationToken) is { } record)
        {
            // Looked at again after a repair: whoever computed it first did so for good.
            Keep(place, planned.Id, planned.Cost, record, reused: Fold.Find(place)?.Reused ?? true);
            return true;
        }

        _open[planned.Id] = new OpenUnit(place, new WorkUnit
        {
            Id = planned.Id,
            Key = key,
            Kind = planned.Kind,
            Spec = planned.Spec,
            Inputs = inputs,
            Profile = context.Profile,
            Cost = planned.Cost,
        });
        return false;
    }

    private BlobRef Resolve(InputSource source) => source switch
    {
        FromBlob s => new BlobRef(BlobNames.Input(context.Job.Tenant, s.Blob.Sha256), s.Blob.Sha256, s.Blob.Length),
        FromUnit s => Fold[s.Unit].Output(s.Role),
        FromGiven s => _given[s.Position],
        _ => throw new ArgumentOutOfRangeException(nameof(source), source.GetType().Name, "no such source"),
    };

    private async Task<PipelineEvent> CommitAsync(OpenUnit open, AttemptEnd ended, CancellationToken cancellationToken)
    {
        var unit = open.Unit;
        var prefix = BlobNames.OutputPrefix(context.Job.Tenant, unit.Key, ended.Epoch);
        if (ended.Outcome.Outputs.FirstOrDefault(o => o.Blob.Name != BlobNames.Output(prefix, o.Role)) is { } foreign)
        {
            var failure = new Failure("foreign-output", $"Unit '{unit.Id}' named '{foreign.Blob.Name}', which is not the attempt's own.", Retryable: true);
            return await CountAsync(open, OutcomeKind.WorkloadFailed, failure, cancellationToken);
        }

        var record = new CommitRecord(unit.Key, unit.Id, unit.Kind, ended.Epoch, ended.Outcome.Outputs, ended.Outcome.Metrics!);
        var answer = await context.Checkpoints.CommitAsync(context.Scope, record, cancellationToken);
        if (answer.Diverged)
            Note("diverged", $"{unit.Id}: another attempt had committed different bytes; its result is used. The computation is not deterministic on this machine.");
        // Every row range of a layer tells of the same dead columns; once is enough.
        foreach (var rescue in (answer.Record.Metrics.Rescues ?? []).Where(_rescues.Add))
            _events.Add(new JobEvent("rescue", rescue.Layer, $"{rescue.Kind}: {rescue.Detail}"));
        _open.Remove(unit.Id);
        Keep(open.Place, unit.Id, unit.Cost, answer.Record, reused: !answer.Ours);
        return new PipelineEvent.Committed(open.Place);
    }

    private async Task<PipelineEvent> FailedAsync(OpenUnit open, AttemptEnd ended, CancellationToken cancellationToken)
    {
        var (kind, failure) = (ended.Outcome.Kind, ended.Outcome.Failure!);
        if (kind == OutcomeKind.Cancelled)
            return new PipelineEvent.AttemptFailed(open.Place, kind, failure, 0);
        if (failure.Damaged is { } damaged)
        {
            if (Fold.ProducerOf(damaged.Name) is { } producer)
            {
                Note("damaged", $"'{damaged.Name}' is damaged; {Fold[producer].Id} runs again.");
                return new PipelineEvent.Damaged(producer);
            }

            if (_given.Any(g => g.Name == damaged.Name))
            {
                _starvedOf = damaged;
                return new PipelineEvent.Damaged(null);
            }

            failure = new Failure("source-damaged", $"The store's copy '{damaged.Name}' is damaged. Start the job again: the file is put into the store anew.", Retryable: false);
        }

        return await CountAsync(open, kind, failure, cancellationToken);
    }

    private async Task<PipelineEvent> CountAsync(OpenUnit open, OutcomeKind kind, Failure failure, CancellationToken cancellationToken)
    {
        var failed = await context.Attempts.AddAsync(open.Unit.Id, cancellationToken);
        Note("retry", $"{open.Unit.Id}: attempt {failed} of {context.Retry.MaxAttempts} failed ({failure.Code}): {failure.Message}");
        return new PipelineEvent.AttemptFailed(open.Place, kind, failure, failed);
    }

    private void Keep(UnitPlace place, string id, double cost, CommitRecord record, bool reused) =>
        Fold.Set(place, new CommittedUnit(id, record.Key, cost, record.Epoch, record.Outputs, record.Metrics, reused));

    private void Note(string kind, string message) => _events.Add(new JobEvent(kind, null, message));
}
