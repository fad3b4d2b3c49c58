using System.Diagnostics;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>
/// What tenants ask of the active server. A wish is written before it is carried out, so that a server that takes over knows it; and it is
/// answered only while this server still is the active one, so that no other has read the wish that was before.
/// </summary>
/// <remarks>Every method throws <see cref="RefusedException"/>: where there is no such job of the tenant, where it is in another state, where the store is away.</remarks>
public sealed class JobDesk
{
    private const string UserCancelled = "Cancelled by the user.";

    /// <summary>Between two lines of a watch.</summary>
    private static readonly TimeSpan s_pace = TimeSpan.FromMilliseconds(200);

    private readonly ActiveServer _server;
    private readonly ServerNodeParts _parts;
    private readonly JobRegistry _registry;
    private readonly PaperBlobs _papers;
    private readonly JobAccounts _accounts;

    internal JobDesk(ActiveServer server, ServerNodeParts parts)
    {
        (_server, _parts, _registry) = (server, parts, server.Registry);
        _papers = new PaperBlobs(_registry.Checkpoints.Tensors);
        _accounts = new JobAccounts(server, parts, _papers);
    }

    internal Task EndCancelledAsync(JobEntry entry, CancellationToken cancellationToken) => _accounts.EndCancelledAsync(entry, cancellationToken);

    /// <summary>Takes a job in and starts it. One that is known already is joined, resumed, or run again where it did not succeed.</summary>
    public async Task<JobView> SubmitAsync(string tenant, JobSubmission submission, CancellationToken cancellationToken)
    {
        SubmissionChecks.Check(submission);
        var id = submission.Plan.ComputeJobId();
        return await GuardAsync(id, async () =>
        {
            await SubmissionChecks.CheckSourcesAsync(_parts.Store, tenant, submission.Plan, cancellationToken);
            await _registry.Checkpoints.WritePlanAsync(tenant, submission.Plan, cancellationToken);
            var documents = await _papers.WriteAsync(tenant, new JobPapers(submission.Outline, submission.Sources), cancellationToken);
            await _server.Listed.OrAsync(cancellationToken);
            return await ActAsync(_registry.FindOrAdd(tenant, id), entry => BeginAsync(entry, submission, documents, cancellationToken), cancellationToken);
        });
    }

    /// <summary>When it is answered nothing more is committed; goes on with a resume.</summary>
    public Task<JobView> PauseAsync(string tenant, string id, CancellationToken cancellationToken) => ActAsync(tenant, id, async entry =>
    {
        Expect(entry, "pause", JobState.Queued, JobState.Running, JobState.Paused);
        await WishAsync(entry, head => head with { Wish = JobWish.Pause, Reason = null }, cancellationToken);
        await StopAsync(entry, "Paused by the user.", resumable: true);
    }, cancellationToken);

    public Task<JobView> ResumeAsync(string tenant, string id, CancellationToken cancellationToken) => ActAsync(tenant, id, async entry =>
    {
        Expect(entry, "resume", JobState.Queued, JobState.Running, JobState.Paused);
        await WishAsync(entry, head => head with { Wish = JobWish.Run, Reason = null }, cancellationToken);
        Start(entry);
    }, cancellationToken);

    /// <summary>When it is answered nothing more is committed, and the job has ended.</summary>
    public Task<JobView> CancelAsync(string tenant, string id, CancellationToken cancellationToken) => ActAsync(tenant, id, async entry =>
    {
        if (entry.Status == JobStatus.Cancelled)
            return;
        Expect(entry, "cancel", JobState.Queued, JobState.Running, JobState.Paused);
        await WishAsync(entry, head => head with { Wish = JobWish.Cancel, Reason = UserCancelled }, cancellationToken);
        await StopAsync(entry, UserCancelled, resumable: false);
        await _registry.LoadEndAsync(entry, cancellationToken);
        entry.Note(new JobLogLine(_parts.Clock.GetUtcNow(), "ended", null, UserCancelled));
        if (entry.End is null)
            _ = _server.EndCancelledAsync(entry);
    }, cancellationToken);

    /// <summary>Runs a job again that did not succeed, or that is held up by a trouble; makes the model of one that succeeded again where it is damaged.</summary>
    public Task<JobView> RetryAsync(string tenant, string id, CancellationToken cancellationToken) => ActAsync(tenant, id, async entry =>
    {
        if (entry.State is JobState.Queued && entry.Trouble is not null)
        {
            entry.Strikes = 0;
            entry.Trouble = null;
            Start(entry);
            return;
        }

        Expect(entry, "retry", JobState.Ended);
        if (entry.Status == JobStatus.Succeeded && !await _accounts.IsModelDamagedAsync(entry, cancellationToken))
            throw new RefusedException(Refusal.Conflict, "job-succeeded", id, "The job has succeeded and its model is sound.", "Use `orc fetch`, or submit it with --fresh to compute it anew.");
        var scope = await _registry.Checkpoints.ReadScopeAsync(tenant, id, cancellationToken);
        var run = await _registry.NextRunAsync(scope, cancellationToken);
        var head = await WishAsync(entry, old => old with { Wish = JobWish.Run, Reason = null, Run = run, Generation = scope.Generation }, cancellationToken);
        entry.Reopen(head);
        Start(entry);
    }, cancellationToken);

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<JobView>> ListAsync(string tenant, CancellationToken cancellationToken)
    {
        await _server.Listed.OrAsync(cancellationToken);
        var views = new List<JobView>();
        foreach (var entry in _registry.Of(tenant))
            views.Add(await GuardAsync(entry.Id, async () => _accounts.View(await LoadedAsync(entry, cancellationToken))));
        return [.. views.OrderByDescending(v => v.Submitted).ThenBy(v => v.Id, StringComparer.Ordinal)];
    }

    public async Task<JobDescription> DescribeAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        return await GuardAsync(id, () => _accounts.DescribeAsync(entry, cancellationToken));
    }

    public async Task<JobExplanation> ExplainAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        return await GuardAsync(id, () => new JobReasons(_server).ExplainAsync(entry, cancellationToken));
    }

    public async Task<JobOutcome> OutcomeAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        return await GuardAsync(id, () => _accounts.OutcomeAsync(entry, cancellationToken));
    }

    /// <summary>The best valid model of an ended job.</summary>
    /// <param name="data">Its large weights instead.</param>
    public async Task<BlobRef> ModelAsync(string tenant, string id, bool data, CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        return await GuardAsync(id, () => _accounts.ModelAsync(entry, data, cancellationToken));
    }

    /// <summary>A job to be watched: how it is now, again after each change, until it ends or the caller goes.</summary>
    public async IAsyncEnumerable<JobView> WatchAsync(string tenant, string id, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        JobView? told = null;
        while (true)
        {
            var changed = entry.Changed;
            var view = _accounts.View(entry);
            if (view != told)
                yield return told = view;
            if (view.State == JobState.Ended)
                yield break;
            await changed.OrAsync(cancellationToken);
            // Units end faster than anyone reads.
            await Task.Delay(s_pace, _parts.Clock, cancellationToken);
        }
    }

    /// <summary>The newest lines of a job's log, oldest first.</summary>
    /// <param name="follow">Goes on until the job ends or the caller goes.</param>
    public async IAsyncEnumerable<JobLogLine> LogAsync(string tenant, string id, bool follow, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entry = await FindAsync(tenant, id, cancellationToken);
        await GuardAsync(id, async () =>
        {
            await _registry.ReadHistoryAsync(entry, cancellationToken);
            return true;
        });
        for (var next = 0L; ;)
        {
            var (changed, state) = (entry.Changed, entry.State);
            (var lines, next) = entry.Log.From(next);
            foreach (var line in lines)
                yield return line;
            if (!follow || state == JobState.Ended)
                yield break;
            await changed.OrAsync(cancellationToken);
        }
    }

    private async Task BeginAsync(JobEntry entry, JobSubmission submission, IReadOnlyList<SourceBlob> documents, CancellationToken cancellationToken)
    {
        var isAsked = submission.Request is not null && entry.Head?.Request == submission.Request;
        if (submission.Fresh && !isAsked && entry.Head is not null)
            Expect(entry, "submit --fresh", JobState.Ended);
        var scope = submission.Fresh && !isAsked
            ? await _registry.Checkpoints.BeginFreshAsync(entry.Tenant, entry.Id, cancellationToken)
            : await _registry.Checkpoints.ReadScopeAsync(entry.Tenant, entry.Id, cancellationToken);
        var isOpen = entry.Head is not null && entry.State != JobState.Ended;
        var run = isOpen ? entry.Head!.Run : await _registry.NextRunAsync(scope, cancellationToken);
        var now = _parts.Clock.GetUtcNow();
        var head = await ChangeAsync(entry, _ => new JobHead
        {
            Name = submission.Name,
            Wish = JobWish.Run,
            Submitted = isOpen ? entry.Head!.Submitted : now,
            Generation = scope.Generation,
            Run = run,
            Documents = documents,
            Request = submission.Request,
            Trace = Activity.Current is { Recorded: true } asking ? asking.Id : null,
        }, cancellationToken);
        (entry.IsLoaded, entry.Strikes) = (true, 0);
        if (isOpen)
            (entry.Head, entry.Trouble) = (head, null);
        else
            entry.Reopen(head);
        // A job that has succeeded is done: its end stands for the new submission, too.
        await _registry.LoadEndAsync(entry, cancellationToken);
        if (!isOpen)
            entry.Note(new JobLogLine(now, "submitted", null, $"'{submission.Name}' was submitted{(submission.Fresh ? ", to be computed anew" : "")}."));
        Start(entry);
    }

    private Task<JobView> ActAsync(string tenant, string id, Func<JobEntry, Task> act, CancellationToken cancellationToken) => GuardAsync(id, async () =>
    {
        await _server.Listed.OrAsync(cancellationToken);
        return await ActAsync(_registry.Find(tenant, id), act, cancellationToken);
    });

    private async Task<JobView> ActAsync(JobEntry entry, Func<JobEntry, Task> act, CancellationToken cancellationToken)
    {
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            await _server.LoadAsync(entry, cancellationToken);
            await act(entry);
        }
        finally
        {
            entry.Gate.Release();
        }

        // Whoever takes over from now on reads what was written.
        return _server.Tenure.IsOver ? throw RefusedException.Deposed(entry.Id) : _accounts.View(entry);
    }

    private async Task<JobHead> WishAsync(JobEntry entry, Func<JobHead, JobHead> change, CancellationToken cancellationToken) =>
        entry.Head = await ChangeAsync(entry, head => change(head ?? throw Damaged(entry)), cancellationToken);

    /// <summary>The right is looked at between read and write, and the write is under the ETag of what was read: no older wish overwrites a newer one.</summary>
    private Task<JobHead> ChangeAsync(JobEntry entry, Func<JobHead?, JobHead> change, CancellationToken cancellationToken) =>
        _registry.WishAsync(entry, head => _server.Tenure.IsOver ? throw RefusedException.Deposed(entry.Id) : change(head), cancellationToken);

    private void Start(JobEntry entry)
    {
        if (entry.State is JobState.Queued)
            _server.Session?.Start(entry);
    }

    private Task StopAsync(JobEntry entry, string reason, bool resumable) => _server.Session?.StopAsync(entry, reason, resumable) ?? Task.CompletedTask;

    private async Task<JobEntry> FindAsync(string tenant, string id, CancellationToken cancellationToken)
    {
        await _server.Listed.OrAsync(cancellationToken);
        return await GuardAsync(id, () => LoadedAsync(_registry.Find(tenant, id), cancellationToken));
    }

    private async Task<JobEntry> LoadedAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        if (entry.IsLoaded)
            return entry;
        await entry.Gate.WaitAsync(cancellationToken);
        try
        {
            await _server.LoadAsync(entry, cancellationToken);
            return entry;
        }
        finally
        {
            entry.Gate.Release();
        }
    }

    private static async Task<T> GuardAsync<T>(string subject, Func<Task<T>> act)
    {
        try
        {
            return await act();
        }
        catch (Exception away) when (away is IOException or UnauthorizedAccessException)
        {
            throw RefusedException.StoreAway(subject, away);
        }
    }

    private static void Expect(JobEntry entry, string verb, params ReadOnlySpan<JobState> states)
    {
        if (entry.Head is null)
            throw Damaged(entry);
        if (!states.Contains(entry.State))
            throw new RefusedException(Refusal.Conflict, $"job-{Word(entry)}", entry.Id, $"The job is {Word(entry)}: `{verb}` does nothing to it.", $"See `orc describe {entry.Id}`.");
    }

    private static string Word(JobEntry entry) => (entry.State == JobState.Ended ? entry.Status!.ToString()! : entry.State.ToString()).ToLowerInvariant();

    private static RefusedException Damaged(JobEntry entry) => new(
        Refusal.Conflict, "head-damaged", entry.Id, "What is stored of the job's wish is damaged.", "Submit the job again: what is committed is not computed again.");
}
