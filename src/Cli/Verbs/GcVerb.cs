using System.CommandLine;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Stores;
using Orchestrator.Jobs;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc gc --store DIR</c>: deletes what no job needs.</summary>
internal static class GcVerb
{
    private const string DefaultAge = "1d";

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var store = StoreOptions.Required();
        var age = new Option<string>("--older-than") { Description = "Only what is older: a number and s, m, h or d. A running attempt writes its outputs before it is committed", DefaultValueFactory = _ => DefaultAge };
        var dry = new Option<bool>("--dry-run") { Description = "Only tell" };
        var verb = new VerbCommand("gc", "Delete what no job needs: outputs of attempts that lost, were revoked or died, states of units that are done, activations of reconstructions that have ended, inputs without a plan, parts of logs that segments stand for, what was set aside.",
            "orc gc --store .orchestrator/store --dry-run", "orc gc --store .orchestrator/store --older-than 12h --json")
        {
            store.Store, store.KeyFile, age, dry,
        };
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            var bound = ParseAge(parsed.GetRequiredValue(age));
            var blobs = await store.Get(parsed, surroundings).OpenExistingAsync(context, cancellation);
            var result = await CollectAsync(blobs, surroundings.Clock.GetUtcNow() - bound, parsed.GetValue(dry), cancellation);
            context.WriteResult(result);
            context.People.WriteLine($"{(result.DryRun ? "would delete" : "deleted")} {result.Blobs} blobs, {Figures.Bytes(result.Bytes)}: {result.Attempts} outputs of attempts, {result.Inputs} inputs, {result.States} states of units that are done, {result.Activations} activations, {result.LogParts} parts of logs, {result.Quarantined} set aside, {result.Leftovers} leftovers");
            return ExitCodes.Success;
        });
        return verb;
    }

    private static async Task<GcResult> CollectAsync(IBlobStore store, DateTimeOffset before, bool dryRun, CancellationToken cancellationToken)
    {
        var counts = new Dictionary<GarbageKind, long>();
        var (blobs, bytes) = (0L, 0L);
        await foreach (var garbage in new StoreGarbage(store, before).FindAsync(cancellationToken))
        {
            counts[garbage.Kind] = counts.GetValueOrDefault(garbage.Kind) + 1;
            (blobs, bytes) = (blobs + 1, bytes + garbage.Blob.Length);
            if (!dryRun)
                await store.DeleteAsync(garbage.Blob.Name, cancellationToken);
        }

        // Unfinished uploads to a container are the service's to drop.
        var leftovers = store is FileBlobStore files ? files.DeleteLeftovers(before, dryRun) : default;
        return new GcResult(
            dryRun, blobs + leftovers.Count, bytes + leftovers.Bytes, counts.GetValueOrDefault(GarbageKind.Attempt), counts.GetValueOrDefault(GarbageKind.Input),
            counts.GetValueOrDefault(GarbageKind.Log), counts.GetValueOrDefault(GarbageKind.Quarantine), leftovers.Count)
        {
            States = counts.GetValueOrDefault(GarbageKind.State),
            Activations = counts.GetValueOrDefault(GarbageKind.Activations),
        };
    }

    private static TimeSpan ParseAge(string text)
    {
        if (text.Length > 1 && uint.TryParse(text.AsSpan(0, text.Length - 1), out var number) && number <= 100_000)
        {
            switch (text[^1])
            {
                case 's': return TimeSpan.FromSeconds(number);
                case 'm': return TimeSpan.FromMinutes(number);
                case 'h': return TimeSpan.FromHours(number);
                case 'd': return TimeSpan.FromDays(number);
            }
        }

        throw new InputException("age-invalid", "--older-than", $"'{text}' is no age.", "Give a number and a unit: 90s, 30m, 12h or 2d.");
    }
}

internal sealed record GcResult(bool DryRun, long Blobs, long Bytes, long Attempts, long Inputs, long LogParts, long Quarantined, long Leftovers)
{
    /// <summary>Of units that were on their way and are committed by now.</summary>
    public long States { get; init; }

    /// <summary>Shards that groups were reconstructed from.</summary>
    public long Activations { get; init; }
}
