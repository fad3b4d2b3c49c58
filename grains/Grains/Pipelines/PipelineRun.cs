using Microsoft.Extensions.Logging;
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
internal sealed partial class PipelineRun
{
    private readonly PipelineContext _context;
    private readonly UnitOwner _owner;
    private readonly IUnitPipeline _pipeline;
    private readonly Func<PipelineReport, Task> _report;
    private readonly ILogger _logger;
    private readonly UnitFinder _finder;
    private readonly UnitFailures _failures;
    private readonly Dictionary<string, OpenUnit> _open = new(StringComparer.Ordinal);
    private readonly OfferBatch _offers;
    private readonly SpentActivations _spent;
    private readonly PipelineNews _news;
    private PipelineState _state;
    private BlobRef? _starvedOf;

    /// <param name="report">Called at the end of whatever led to the report.</param>
    public PipelineRun(PipelineContext context, UnitOwner owner, IUnitPipeline pipeline, Func<PipelineReport, Task> report)
    {
        (_context, _owner, _pipeline, _report) = (context, owner, pipeline, report);
        _logger = context.Telemetry.Logs.CreateLogger<PipelineRun>();
        (_news, _offers) = (new PipelineNews(context), new OfferBatch(context));
        _state = PipelineState.Create(pipeline.Stages, context.Retry);
        Fold = new PipelineFold(pipeline);
        _failures = new UnitFailures(context, owner, _open.ContainsKey);
        (_finder, _spent) = (new UnitFinder(context.Checkpoints, context.Scope, context.Profile, pipeline, Fold), new SpentActivations(context.Checkpoints.Tensors, pipeline, Fold));
    }

    public PipelineFold Fold { get; }

    public PipelineStatus Status => _state.Status;

    /// <summary>Its units that failed and are not committed.</summary>
    public IReadOnlyList<UnitTrouble> Troubles(int most) => _failures.Troubles(_open.Values, most);

    /// <summary>What happened since the last call.</summary>
    public IReadOnlyList<JobEvent> TakeEvents() => _news.Take();

    /// <summary>Starts, or goes on with repaired blobs; nothing happens to a pipeline that waits for none.</summary>
    public async Task BeginAsync(IReadOnlyList<BlobRef> given, CancellationToken cancellationToken)
    {
        if (_state.Status != PipelineStatus.Waiting)
            return;
        _finder.Given = given;
        await FeedAsync(new PipelineEvent.Begun(), cancellationToken);
    }

    /// <summary>Commits completed attempts, all of them at once, and lets the machine decide what follows failed ones, one after the other.</summary>
    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => GuardAsync(async () =>
    {
        var completed = new List<Completed>();
        foreach (var end in ended.Where(e => e.Outcome.Kind == OutcomeKind.Completed))
        {
            if (Take(end) is not { } open)
                continue;
            var unit = open.Unit;
            if (_failures.Foreign(unit, end) is { } failure)
                await StepAsync(new Queue<PipelineEvent>([await CountAsync(open, end, OutcomeKind.WorkloadFailed, failure, cancellationToken)]), cancellationToken);
            else
                completed.Add(new Completed(open, new CommitRecord(unit.Key, unit.Id, unit.Kind, end.Epoch, end.Outcome.Outputs, end.Outcome.Metrics!), end.Outcome.Trace));
        }

        var events = new Queue<PipelineEvent>();
        await CommitAsync(completed, events, cancellationToken);
        await StepAsync(events, cancellationToken);
        // After each of them the pipeline may have gone back to make a blob again; then the rest is old news.
        foreach (var end in ended.Where(e => e.Outcome.Kind != OutcomeKind.Completed))
        {
            if (Take(end) is { } open)
                await StepAsync(new Queue<PipelineEvent>([await FailedAsync(open, end, cancellationToken)]), cancellationToken);
        }
    });

    /// <returns>The unit that the news is about; null where it is old.</returns>
    private OpenUnit? Take(AttemptEnd ended)
    {
        if (_state.Status != PipelineStatus.Running || !_open.TryGetValue(ended.Unit.Id, out var open) || open.Unit.Key != ended.Unit.Key || ended.Epoch <= open.Seen)
            return null;
        open.Seen = ended.Epoch;
        return open;
    }

    /// <summary>Makes a damaged blob again.</summary>
    /// <returns>False where no unit of this pipeline stands for it any more: it was made again already.</returns>
    public async Task<bool> RepairAsync(BlobRef damaged, CancellationToken cancellationToken)
    {
        if (Fold.ProducerOf(damaged.Name) is not { } producer)
            return false;
        _news.Note("damaged", $"'{damaged.Name}' is damaged; {Fold[producer].Id} runs again.");
        await FeedAsync(new PipelineEvent.Damaged(producer), cancellationToken);
        return true;
    }

    public Task StopAsync(CancellationToken cancellationToken) => FeedAsync(new PipelineEvent.Stopped(), cancellationToken);

    private Task FeedAsync(PipelineEvent happened, CancellationToken cancellationToken) => GuardAsync(() => StepAsync(new Queue<PipelineEvent>([happened]), cancellationToken));

    /// <summary>A store that fails is the job's concern, not this turn's.</summary>
    private async Task GuardAsync(Func<Task> turn)
    {
        try
        {
            await turn();
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or InputException { Code: "store-newer" })
        {
            LogStoreFailed(_context.Job.JobId, _context.Job.Tenant, cause);
            await _report(new PipelineReport.StoreFailed(cause.Message));
        }
    }

    private async Task StepAsync(Queue<PipelineEvent> events, CancellationToken cancellationToken)
    {
        PipelineReport? told = null;
        do
        {
            while (events.TryDequeue(out var happened))
            {
                var step = PipelineMachine.Step(_state, happened);
                _state = step.State;
                foreach (var effect in step.Effects)
                    told = await ActAsync(effect, events, cancellationToken) ?? told;
            }

            if (await _offers.SendAsync(cancellationToken) is > 0 and var waiting)
                events.Enqueue(new PipelineEvent.Wanted(waiting));
        }
        while (events.Count > 0);

        if (told is not null)
            await _report(told);
    }

    private async Task<PipelineReport?> ActAsync(PipelineEffect effect, Queue<PipelineEvent> events, CancellationToken cancellationToken)
    {
        switch (effect)
        {
            case PipelineEffect.LookUp e:
                events.Enqueue(await LookUpAsync(e.Unit, cancellationToken));
                return null;
            case PipelineEffect.Offer e:
                var id = _pipeline.IdOf(e.Unit);
                _offers.Add(_failures.OfferOf(_open[id]));
                return null;
            case PipelineEffect.Rest e:
                _failures.Rest(_open[_pipeline.IdOf(e.Unit)], e.Delay);
                _context.Host.StartTimer(e.Delay, null, () => FeedAsync(new PipelineEvent.Rested(e.Unit), _context.Host.Stopping));
                return null;
            case PipelineEffect.Withdraw:
                _open.Clear();
                _offers.Clear();
                await _context.Scheduler.WithdrawAsync(_owner, cancellationToken);
                return null;
            case PipelineEffect.Invalidate e:
                if (Fold.Find(e.Unit) is not { } damaged)
                    return null;
                Fold.Remove(e.Unit);
                if (Fold.LogOf(e.Unit.Stage) is { } log)
                    await log.RevokeAsync(damaged.Key, damaged.Epoch, cancellationToken);
                else
                    await _context.Checkpoints.InvalidateAsync(_context.Scope, damaged.Key, damaged.Epoch, cancellationToken);
                return null;
            case PipelineEffect.AskForGiven:
                return new PipelineReport.Starved(_starvedOf!);
            case PipelineEffect.Finish:
                return new PipelineReport.Finished();
            case PipelineEffect.GiveUp e:
                var unit = _pipeline[e.Unit];
                _context.Telemetry.Instruments?.UnitQuarantined(unit.Kind);
                LogQuarantined(unit.Id, _context.Job.JobId, _context.Job.Tenant, e.Failure.Code, e.Failure.Message);
                _failures.GiveUp(unit.Id, e.Failure);
                return new PipelineReport.GivenUp(unit.Id, e.Failure);
            default:
                throw new ArgumentOutOfRangeException(nameof(effect), effect.GetType().Name, "no such effect");
        }
    }

    private async Task<PipelineEvent> LookUpAsync(UnitPlace place, CancellationToken cancellationToken)
    {
        if (await _finder.FindAsync(place, cancellationToken) is not { } unit)
        {
            // Whoever committed it may have ended before it could.
            await _spent.DeleteAfterAsync(place, cancellationToken);
            return new PipelineEvent.LookedUp(place, Found: true);
        }

        if (await _spent.MissingAsync(place, unit, cancellationToken) is { } collected)
            return collected;
        _open[unit.Id] = new OpenUnit(place, unit, _context.Memory(_pipeline[place]));
        return new PipelineEvent.LookedUp(place, Found: false);
    }

    /// <summary>Whoever else read the activations was first, with this very unit perhaps.</summary>
    private async Task<PipelineEvent?> CollectedAsync(OpenUnit open, CancellationToken cancellationToken)
    {
        if (await _finder.FindAsync(open.Place, cancellationToken) is { } unit)
            return await _spent.MissingAsync(open.Place, unit, cancellationToken);
        _open.Remove(open.Unit.Id);
        return new PipelineEvent.Committed(open.Place);
    }

    /// <summary>Commits what is complete, all of a stage in one go.</summary>
    private async Task CommitAsync(IReadOnlyList<Completed> completed, Queue<PipelineEvent> events, CancellationToken cancellationToken)
    {
        if (completed.Count == 0)
            return;
        using var span = _context.Telemetry.Instruments?.Committing(_context.Trace, _context.Job.Tenant, _context.Job.JobId, completed.Select(c => c.Trace));
        foreach (var stage in completed.GroupBy(c => c.Open.Place.Stage))
        {
            if (Fold.LogOf(stage.Key) is { } log)
            {
                var commits = stage.Select(c => new StageCommit(c.Record, ((RowsSpec)c.Open.Unit.Spec).FirstRow, ((RowsSpec)c.Open.Unit.Spec).Rows)).ToArray();
                var answers = await log.CommitAsync(commits, cancellationToken);
                foreach (var (one, answer) in stage.Zip(answers).Where(a => a.Second.Entry >= 0))
                {
                    Fold.Set(one.Open.Place, answer.Entry, reused: !answer.Ours);
                    Close(one.Open, answer.Diverged, log.MetricsOf(answer.Entry), events);
                }
            }
            else
            {
                foreach (var one in stage)
                {
                    var answer = await _context.Checkpoints.CommitAsync(_context.Scope, one.Record, cancellationToken);
                    Fold.Set(one.Open.Place, answer.Record, reused: !answer.Ours);
                    Close(one.Open, answer.Diverged, answer.Record.Metrics, events);
                    await _spent.DeleteAfterAsync(one.Open.Place, cancellationToken);
                }
            }
        }
    }

    private void Close(OpenUnit open, bool diverged, UnitMetrics metrics, Queue<PipelineEvent> events)
    {
        _news.Committed(open.Unit, diverged, metrics);
        _open.Remove(open.Unit.Id);
        events.Enqueue(new PipelineEvent.Committed(open.Place));
    }

    private async Task<PipelineEvent> FailedAsync(OpenUnit open, AttemptEnd ended, CancellationToken cancellationToken)
    {
        var (kind, failure) = (ended.Outcome.Kind, ended.Outcome.Failure!);
        if (kind == OutcomeKind.Cancelled)
        {
            if (UnitFailures.HandBack(open, failure) is { } handedBack)
                return handedBack;
            kind = OutcomeKind.Lost;
        }

        if (failure.Damaged is { } damaged)
        {
            if (BlobNames.RoleOf(damaged.Name) == Roles.Activations && await CollectedAsync(open, cancellationToken) is { } collected)
                return collected;
            if (Fold.ProducerOf(damaged.Name) is { } producer)
            {
                _news.Note("damaged", $"'{damaged.Name}' is damaged; {Fold[producer].Id} runs again.");
                return new PipelineEvent.Damaged(producer);
            }

            if (_finder.Given.Any(g => g.Name == damaged.Name))
            {
                _starvedOf = damaged;
                return new PipelineEvent.Damaged(null);
            }

            // News from before the blob was made again: the unit is open anew, with the new one among its inputs.
            if (BlobNames.ProducerOf(damaged.Name) is not null)
                return new PipelineEvent.AttemptFailed(open.Place, OutcomeKind.Cancelled, failure, default);
            ended = ended with { HadNoOther = true };
            failure = new Failure("source-damaged", $"The store's copy '{damaged.Name}' is damaged. Start the job again: the file is put into the store anew.", Retryable: false);
        }

        return await CountAsync(open, ended, kind, failure, cancellationToken);
    }

    private async Task<PipelineEvent> CountAsync(OpenUnit open, AttemptEnd ended, OutcomeKind kind, Failure failure, CancellationToken cancellationToken)
    {
        var counted = await _failures.CountAsync(open, ended, kind, failure, cancellationToken);
        _news.Note("retry", $"{open.Unit.Id}: attempt {open.Attempts.Count} failed on '{ended.Worker}' ({failure.Code}): {failure.Message}");
        return counted;
    }

    private sealed record Completed(OpenUnit Open, CommitRecord Record, string? Trace);
}
