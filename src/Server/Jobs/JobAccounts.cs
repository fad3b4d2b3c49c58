using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>What there is to tell of a job: from its progress while it runs here, else from its commits.</summary>
internal sealed class JobAccounts(ActiveServer server, ServerNodeParts parts, PaperBlobs papers)
{
    /// <summary>Leases and incidents that fit on a screen.</summary>
    private const int MostLeases = 100;

    private const int MostIncidents = 100;

    /// <summary>Lines of a log that are no incident.</summary>
    private static readonly HashSet<string> s_ordinary = ["layer-solved", "submitted", "ended"];

    private readonly CheckpointStore _checkpoints = server.Registry.Checkpoints;

    public JobView View(JobEntry entry)
    {
        var (progress, result, end) = (entry.Progress, entry.Result, entry.End);
        var view = new JobView
        {
            Id = entry.Id,
            Tenant = entry.Tenant,
            Name = entry.Head?.Name ?? entry.Id,
            State = entry.State,
            Status = entry.Status,
            Reason = entry.Reason,
            Submitted = entry.Head?.Submitted ?? default,
            Ended = entry.State == JobState.Ended ? EndedAt(entry) : null,
        };
        if (entry.State == JobState.Ended)
        {
            var units = end?.Manifest?.Units ?? (result is null ? progress?.UnitsDone ?? 0 : result.Summary.Computed + result.Summary.Reused);
            return view with { UnitsTotal = units, UnitsDone = units, UnitsReused = result?.Summary.Reused ?? progress?.UnitsReused ?? 0, Phase = "ended", Progress = entry.Status == JobStatus.Succeeded ? 1 : Share(progress) };
        }

        return progress is null ? view : view with
        {
            UnitsTotal = progress.UnitsTotal,
            UnitsDone = progress.UnitsDone,
            UnitsReused = progress.UnitsReused,
            Phase = entry.IsRunning ? progress.Phase : null,
            Progress = Share(progress),
            SecondsLeft = entry.IsRunning ? SecondsLeft(entry, progress) : null,
        };
    }

    public async Task<JobDescription> DescribeAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        // What is in memory is told without the store, which may be away.
        await server.Registry.ReadHistoryAsync(entry, cancellationToken);
        var view = View(entry);
        var isFolded = !entry.IsRunning && entry.State != JobState.Ended && entry.Progress is null && entry.Trouble?.Code != Trouble.StoreAway;
        if ((isFolded || entry.Made is null) && await server.Registry.FindPlanAsync(entry, cancellationToken) is { } plan && isFolded)
            view = Folded(view, await FoldAsync(entry, plan, cancellationToken));
        IReadOnlyList<LeaseView> leases = [];
        if (entry.IsRunning && server.Session is { } session)
        {
            var standing = await session.Coordinator.Scheduler.DescribeAsync(new ScheduleQuestion(entry.Tenant, entry.Id, MostLeases), cancellationToken);
            leases = [.. standing.Units.Where(u => u.Lease is not null).Select(u => new LeaseView(u.Unit, u.Lease!.Worker, u.Lease.Epoch.Attempt, u.Lease.Fraction, u.Lease.Age.TotalSeconds))];
        }

        var layers = entry.IsRunning ? entry.Progress?.Layers ?? [] : [];
        var why = await new JobReasons(server).ExplainAsync(entry, cancellationToken) with { Units = [] };
        return new JobDescription(view, entry.Made?.Model ?? "", entry.Made?.Profile ?? "", layers, leases, [.. Incidents(entry).TakeLast(MostIncidents)]) { Why = why };
    }

    public async Task<JobOutcome> OutcomeAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        await server.Registry.ReadHistoryAsync(entry, cancellationToken);
        var plan = await server.Registry.ReadPlanAsync(entry, cancellationToken);
        var result = await ResultAsync(entry, plan, cancellationToken);
        var written = await papers.ReadAsync(entry.Tenant, entry.Head!.Documents, cancellationToken) ?? throw new RefusedException(
            Refusal.Conflict, "papers-damaged", entry.Id, "What the job's report is made from is damaged in the store.", "Submit the job again: what is committed is not computed again.");
        var (submitted, ended) = (entry.Head!.Submitted, EndedAt(entry) ?? parts.Clock.GetUtcNow());
        Rescue[] incidents = [.. Incidents(entry).Where(line => line.Kind is not ("rescue" or "layer-failed" or "reconstructed")).TakeLast(MostIncidents).Select(line => new Rescue(line.Layer, line.Kind, line.Message))];
        return new JobOutcome(result, plan, written.Outline, written.Sources, submitted, ended, Math.Max((ended - submitted).TotalSeconds, 0), incidents);
    }

    /// <exception cref="RefusedException">The job has not ended, or there is no model.</exception>
    public async Task<BlobRef> ModelAsync(JobEntry entry, bool data, CancellationToken cancellationToken)
    {
        var result = await ResultAsync(entry, await server.Registry.ReadPlanAsync(entry, cancellationToken), cancellationToken);
        return (data ? result.ModelData : result.Model) ?? throw new RefusedException(
            Refusal.NotFound, "model-not-found", entry.Id, data ? "The model holds all its weights itself." : "The job wrote no model.", data ? "Fetch the model alone." : $"See `orc explain {entry.Id}`.");
    }

    /// <summary>Whether a blob of the delivered model is damaged; then the commit that made it is revoked.</summary>
    public async Task<bool> IsModelDamagedAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        var result = await ResultAsync(entry, await server.Registry.ReadPlanAsync(entry, cancellationToken), cancellationToken);
        foreach (var blob in new[] { result.Model, result.ModelData }.OfType<BlobRef>())
        {
            try
            {
                await _checkpoints.Tensors.CopyAsync(blob, Stream.Null, cancellationToken);
            }
            catch (DamagedBlobException damaged) when (BlobNames.ProducerOf(damaged.Blob.Name) is var (key, epoch))
            {
                await _checkpoints.InvalidateAsync(new JobScope(entry.Tenant, entry.Id, result.Job.Generation), key, epoch, cancellationToken);
                entry.Note(new JobLogLine(parts.Clock.GetUtcNow(), "damaged", null, damaged.Message));
                return true;
            }
        }

        return result.Model is null;
    }

    /// <summary>Records the end of a job that was cancelled while it did not run. Its gate is held.</summary>
    public async Task EndCancelledAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        if (entry is not { End: null, Head: { Wish: JobWish.Cancel } head } || await _checkpoints.ReadPlanAsync(entry.Tenant, entry.Id, cancellationToken) is not { } plan)
            return;
        var result = await ResultAsync(entry, plan, cancellationToken);
        var manifest = new Manifest(plan.ComputeDigest(), result.Model, result.Summary.Computed + result.Summary.Reused, result.Fold);
        await _checkpoints.EndAsync(new JobScope(entry.Tenant, entry.Id, result.Job.Generation), head.Run, JobStatus.Cancelled, head.Reason, manifest, cancellationToken);
        await server.Registry.LoadEndAsync(entry, cancellationToken);
    }

    private async Task<JobResult> ResultAsync(JobEntry entry, JobPlan plan, CancellationToken cancellationToken)
    {
        if (entry.State != JobState.Ended)
            throw new RefusedException(Refusal.Conflict, "job-not-ended", entry.Id, "The job has not ended.", $"Wait for it: `orc watch {entry.Id}`.");
        if (entry.Result is { } known && known.Status == entry.Status)
            return known;
        var scope = await _checkpoints.ReadScopeAsync(entry.Tenant, entry.Id, cancellationToken);
        var stored = await parts.Fold(scope, plan, cancellationToken);
        var place = new JobPlace(entry.Tenant, entry.Id, scope.Generation, entry.End?.Record.Run ?? entry.Head!.Run);
        return entry.Result = new JobResult(entry.Status!.Value, entry.Reason, place, stored.Model ?? entry.End?.Manifest?.Model, stored.Summary, stored.Fold) { ModelData = stored.ModelData };
    }

    private async Task<StoredResult> FoldAsync(JobEntry entry, JobPlan plan, CancellationToken cancellationToken) =>
        await parts.Fold(await _checkpoints.ReadScopeAsync(entry.Tenant, entry.Id, cancellationToken), plan, cancellationToken);

    private static double Share(JobProgress? progress) => progress is { CostTotal: > 0 } ? Math.Clamp(progress.CostDone / progress.CostTotal, 0, 1) : 0;

    private static JobView Folded(JobView view, StoredResult stored) =>
        view with { UnitsTotal = stored.Units, UnitsDone = stored.Committed, Progress = stored.Units > 0 ? (double)stored.Committed / stored.Units : 0 };

    private static DateTimeOffset? EndedAt(JobEntry entry) =>
        entry.Log.From(0).Lines.LastOrDefault(line => line.Kind == "ended")?.Time ?? entry.End?.Recorded ?? entry.Head?.Submitted;

    private static IEnumerable<JobLogLine> Incidents(JobEntry entry) => entry.Log.From(0).Lines.Where(line => !s_ordinary.Contains(line.Kind));

    /// <summary>At the pace of what was computed since this server began to run the job.</summary>
    private double? SecondsLeft(JobEntry entry, JobProgress progress)
    {
        if (entry.Began is not { } began || progress.CostDone - began.CostDone is not (> 0 and var done))
            return null;
        return parts.Clock.GetElapsedTime(began.Timestamp).TotalSeconds * (progress.CostTotal - progress.CostDone) / done;
    }
}
