using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>All jobs of the cluster: what they shall do, from their heads, and whether they have ended, from their ends.</summary>
internal sealed class JobRegistry(IBlobStore store, ClusterHeads heads)
{
    private readonly ConcurrentDictionary<(string Tenant, string Id), JobEntry> _entries = new();

    public CheckpointStore Checkpoints { get; } = new(store);

    public IEnumerable<JobEntry> Entries => _entries.Values;

    /// <summary>Those that have been read, newest first.</summary>
    public IReadOnlyList<JobEntry> Of(string tenant) =>
        [.. _entries.Values.Where(e => e.Tenant == tenant).OrderByDescending(e => e.Head?.Submitted).ThenBy(e => e.Id, StringComparer.Ordinal)];

    /// <exception cref="RefusedException">There is no such job of the tenant.</exception>
    public JobEntry Find(string tenant, string id) => _entries.GetValueOrDefault((tenant, id)) ?? throw RefusedException.NoSuchJob(id);

    public JobEntry FindOrAdd(string tenant, string id) => _entries.GetOrAdd((tenant, id), static key => new JobEntry(key.Tenant, key.Id));

    public void Forget(JobEntry entry) => _entries.TryRemove((entry.Tenant, entry.Id), out _);

    /// <summary>Puts every job that was ever submitted into the list; heads and ends are read later.</summary>
    public async Task<IReadOnlyList<JobEntry>> ListAsync(CancellationToken cancellationToken)
    {
        var listed = new List<JobEntry>();
        await foreach (var (tenant, id) in heads.ListJobsAsync(cancellationToken))
            listed.Add(FindOrAdd(tenant, id));
        return listed;
    }

    /// <summary>Reads what a job shall do and whether it has ended.</summary>
    public async Task LoadAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            entry.Head = await heads.ReadJobAsync(entry.Tenant, entry.Id, cancellationToken);
            if (entry.Head is null)
                entry.Trouble = new Trouble("head-damaged", "What is stored of the job's wish is damaged.", "Submit the job again: what is committed is not computed again.");
            await LoadEndAsync(entry, cancellationToken);
        }
        catch (InputException unreadable)
        {
            // Its own trouble, and no other job's.
            entry.Trouble = new Trouble(unreadable.Code, unreadable.Message, unreadable.Remedy);
        }
    }

    public async Task LoadEndAsync(JobEntry entry, CancellationToken cancellationToken) => entry.End = await FindEndAsync(entry, cancellationToken);

    /// <summary>Writes what a job shall do; it counts when the call returns.</summary>
    /// <param name="change">Gets null where there is no head or it is damaged.</param>
    public Task<JobHead> WishAsync(JobEntry entry, Func<JobHead?, JobHead> change, CancellationToken cancellationToken) =>
        heads.UpdateJobAsync(entry.Tenant, entry.Id, change, cancellationToken);

    /// <summary>The number that the next run of a job gets: ended runs are counted, and one that succeeded is the last.</summary>
    public async Task<int> NextRunAsync(JobScope scope, CancellationToken cancellationToken) =>
        await Checkpoints.ReadLastEndAsync(scope, cancellationToken) is { } last ? last.Run + (last.Status == JobStatus.Succeeded ? 0 : 1) : 0;

    /// <exception cref="RefusedException">The plan is damaged.</exception>
    public async Task<JobPlan> ReadPlanAsync(JobEntry entry, CancellationToken cancellationToken) =>
        await FindPlanAsync(entry, cancellationToken) ?? throw new RefusedException(
            Refusal.Conflict, "plan-damaged", entry.Id, "The job's plan is damaged in the store.", "Submit the job again: what is committed is not computed again.");

    /// <returns>Null where the plan is damaged.</returns>
    public async Task<JobPlan?> FindPlanAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        var plan = await Checkpoints.ReadPlanAsync(entry.Tenant, entry.Id, cancellationToken);
        if (plan is not null)
        {
            var settings = plan.Settings;
            entry.Made = new JobModel(settings.Model.Sha256, settings.Profile, (settings.ModelTensors ?? []).Select(t => t.Sha256).ToHashSet(StringComparer.Ordinal));
        }

        return plan;
    }

    /// <summary>Whether a blob holds weights of one of these models of the tenant's jobs.</summary>
    /// <param name="blobs">Names of the models' own blobs.</param>
    public bool IsWeightOf(string tenant, string name, IReadOnlySet<string> blobs) => Of(tenant).Any(entry =>
        entry.Made is { Weights.Count: > 0 } made && blobs.Contains(BlobNames.Input(tenant, made.Model)) && name.StartsWith(BlobNames.Input(tenant, ""), StringComparison.Ordinal) && made.Weights.Contains(name[BlobNames.Input(tenant, "").Length..]));

    public async Task ReadHistoryAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        if (entry.HasHistory)
            return;
        var stored = await heads.ReadLogAsync<StoredLog>(entry.Tenant, entry.Id, cancellationToken);
        lock (entry.Log)
        {
            if (entry.HasHistory)
                return;
            if (stored is not null)
                entry.Log.Precede(stored);
            entry.HasHistory = true;
        }
    }

    /// <summary>Keeps new lines of all logs.</summary>
    public async Task SaveLogsAsync(CancellationToken cancellationToken)
    {
        foreach (var entry in _entries.Values)
        {
            if (entry.Log.Unsaved() is null)
                continue;
            await ReadHistoryAsync(entry, cancellationToken);
            var unsaved = entry.Log.Unsaved()!;
            await heads.WriteLogAsync(entry.Tenant, entry.Id, unsaved, cancellationToken);
            entry.Log.Saved(unsaved);
        }
    }

    private async Task<JobEnd?> FindEndAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Head is not { } head)
            return null;
        try
        {
            var scope = await Checkpoints.ReadScopeAsync(entry.Tenant, entry.Id, cancellationToken);
            if (await Checkpoints.ReadLastEndAsync(scope, cancellationToken) is not { } last || last.Run < (scope.Generation == head.Generation ? head.Run : 0))
                return null;
            DateTimeOffset? recorded = null;
            await foreach (var blob in store.ListAsync(BlobNames.Ends(scope), cancellationToken))
                recorded = blob.Created == default ? recorded : blob.Created;
            return new JobEnd(last, await Checkpoints.ReadManifestAsync(last, cancellationToken), recorded);
        }
        catch (InputException damaged) when (damaged.Code == "store-damaged")
        {
            entry.Trouble = new Trouble("store-damaged", damaged.Message, damaged.Remedy);
            return null;
        }
    }
}
