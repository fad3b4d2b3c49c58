using System.CommandLine;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Stores;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Machines;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc verify --store DIR</c>: is every blob what the records say?</summary>
internal static class VerifyVerb
{
    /// <summary>Findings that are listed; all are counted.</summary>
    private const int MostListed = 1_000;

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var store = StoreOptions.Required();
        var verb = new VerbCommand("verify", "Read every blob of a store and hold it against its digest, its schema and the records. Changes nothing; exit code 1 where damage was found.",
            "orc verify --store .orchestrator/store", "orc verify --store https://account.blob.core.windows.net/jobs --store-key-file account.key --json")
        {
            store.Store, store.KeyFile,
        };
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            var result = await VerifyAsync(await store.Get(parsed, surroundings).OpenExistingAsync(context, cancellation), cancellation);
            context.WriteResult(result);
            foreach (var finding in result.Findings)
                context.People.WriteLine($"{finding.Kind.ToString().ToLowerInvariant()} {finding.Name}: {finding.Consequence}");
            context.People.WriteLine($"{result.Blobs} blobs, {Figures.Bytes(result.Bytes)}, {result.Units} committed units, {result.Jobs} jobs: {(result.Sound ? "sound" : $"{result.Damaged} damaged, {result.Missing} missing, {result.Newer} newer")}{(result.Foreign > 0 ? $"; {result.Foreign} foreign" : "")}");
            return result.Sound ? ExitCodes.Success : ExitCodes.Failed;
        });
        return verb;
    }

    private static async Task<VerifyResult> VerifyAsync(IBlobStore store, CancellationToken cancellationToken)
    {
        var listed = new List<Finding>();
        var counts = new Dictionary<FindingKind, long>();
        void Found(Finding finding)
        {
            counts[finding.Kind] = counts.GetValueOrDefault(finding.Kind) + 1;
            if (listed.Count < MostListed)
                listed.Add(finding);
        }

        var verification = new StoreVerification(store, Found);
        await verification.RunAsync(cancellationToken);
        var jobs = counts.ContainsKey(FindingKind.Newer) ? 0 : await FoldJobsAsync(store, Found, cancellationToken);
        return new VerifyResult(
            counts.Keys.All(k => k == FindingKind.Foreign), verification.Blobs, verification.Bytes, verification.Units, jobs,
            counts.GetValueOrDefault(FindingKind.Damaged), counts.GetValueOrDefault(FindingKind.Missing), counts.GetValueOrDefault(FindingKind.Foreign),
            counts.GetValueOrDefault(FindingKind.Newer), listed);
    }

    /// <summary>Holds the end of every job that succeeded against the fold of its commits.</summary>
    private static async Task<int> FoldJobsAsync(IBlobStore store, Action<Finding> found, CancellationToken cancellationToken)
    {
        var looking = new CheckpointStore(new ReadOnlyBlobStore(store));
        var jobs = 0;
        await foreach (var (tenant, id) in StoredJobs.ListAsync(store, cancellationToken))
        {
            jobs++;
            if (await StoredJobs.ReadAsync(looking, tenant, id, cancellationToken) is not { Plan: { } plan, Scope: { } scope, End: { Status: JobStatus.Succeeded } end } ||
                await looking.ReadManifestAsync(end, cancellationToken) is not { } manifest)
            {
                continue;
            }

            var job = new StoredJob(looking, scope, plan);
            await job.ReadAsync(null, cancellationToken);
            if (job.Fold != manifest.Fold)
                found(new Finding(job.Fold is null ? FindingKind.Missing : FindingKind.Damaged, end.Manifest.Name, $"{job.Committed} of {job.Units} units are committed; a run computes the rest and folds anew"));
        }

        return jobs;
    }
}

/// <param name="Sound">Nothing damaged, missing or newer.</param>
internal sealed record VerifyResult(
    bool Sound, long Blobs, long Bytes, long Units, int Jobs, long Damaged, long Missing, long Foreign, long Newer, IReadOnlyList<Finding> Findings);
