using System.CommandLine;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Stores;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc dump --store DIR</c>: what is in a store, folded from its commits.</summary>
internal static class DumpVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var store = StoreOptions.Required();
        var job = new Option<string?>("--job") { Description = "Only jobs whose id starts with this" };
        var unit = new Option<string?>("--unit") { Description = "Also the records of units whose id starts with this" };
        var verb = new VerbCommand("dump", "Show a store's jobs, their parts and how much of each is committed; records of units on demand. Changes nothing.",
            "orc dump --store .orchestrator/store", "orc dump --store .orchestrator/store --job 3f2a --unit layer/0/step/0/ --json")
        {
            store.Store, store.KeyFile, job, unit,
        };
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            var opened = await store.Get(parsed, surroundings).OpenExistingAsync(context, cancellation);
            var result = await DumpAsync(opened, parsed.GetValue(job) ?? "", parsed.GetValue(unit), cancellation);
            context.WriteResult(result);
            foreach (var one in result.Jobs)
                Print(context.People, one);
            if (result.Jobs.Count == 0)
                context.People.WriteLine("no jobs");
            return ExitCodes.Success;
        });
        return verb;
    }

    private static async Task<DumpResult> DumpAsync(IBlobStore store, string jobPrefix, string? unitPrefix, CancellationToken cancellationToken)
    {
        var blobs = new ReadOnlyBlobStore(store);
        var checkpoints = new CheckpointStore(blobs);
        var jobs = new List<DumpedJob>();
        await foreach (var (tenant, id) in StoredJobs.ListAsync(blobs, cancellationToken))
        {
            if (!id.StartsWith(jobPrefix, StringComparison.Ordinal))
                continue;
            var (plan, scope, end) = await StoredJobs.ReadAsync(checkpoints, tenant, id, cancellationToken);
            if (plan is null || scope is null)
            {
                jobs.Add(new DumpedJob(tenant, id, 0, null, null, "its plan is damaged; the next run of the job writes it anew", 0, 0, null, [], []));
                continue;
            }

            var fold = new StoredJob(checkpoints, scope, plan);
            var units = new List<DumpedUnit>();
            await fold.ReadAsync(unitPrefix is null ? null : found =>
            {
                if (found.Id.StartsWith(unitPrefix, StringComparison.Ordinal))
                    units.Add(new DumpedUnit(found.Id, found.Record));
            }, cancellationToken);
            jobs.Add(new DumpedJob(
                tenant, id, scope.Generation, end?.Run, end?.Status.ToString().ToLowerInvariant(), end?.Reason, fold.Units, fold.Committed, fold.Fold, fold.Parts, units));
        }

        return jobs.Count == 0 && jobPrefix.Length > 0
            ? throw new InputException("job-not-found", jobPrefix, "No job of the store starts with this.", "`orc dump --store DIR` lists them.")
            : new DumpResult(jobs);
    }

    private static void Print(IAnsiConsole console, DumpedJob job)
    {
        var tree = new Tree(new Text($"job {job.Id} ({job.Tenant}, generation {job.Generation}): {job.Committed} of {job.Units} units, {job.Status ?? "not ended"}{(job.Reason is null ? "" : $": {job.Reason}")}"));
        foreach (var part in job.Parts)
            tree.AddNode(new Text($"{part.Name}: {part.Committed} of {part.Units} units, {Figures.Duration(part.Seconds)}"));
        foreach (var unit in job.Records)
            tree.AddNode(new Text($"{unit.Id}: key {unit.Record.Key}, attempt {unit.Record.Epoch.Attempt}, {string.Join(", ", unit.Record.Outputs.Select(o => $"{o.Role} {Figures.Bytes(o.Blob.Length)} {o.Blob.Sha256[..12]}"))}"));
        console.Write(tree);
    }
}

internal sealed record DumpResult(IReadOnlyList<DumpedJob> Jobs);

/// <param name="Run">The run that ended last; null before the first end.</param>
/// <param name="Fold">Digest of the fold; null while units are missing.</param>
internal sealed record DumpedJob(
    string Tenant, string Id, int Generation, int? Run, string? Status, string? Reason, int Units, int Committed, string? Fold,
    IReadOnlyList<StoredPart> Parts, IReadOnlyList<DumpedUnit> Records);

internal sealed record DumpedUnit(string Id, CommitRecord Record);
