using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Stores;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Benchmarks.Stores;

/// <summary>
/// A job of a million row units on a file store, through the real coordinator: <c>million-units make FOLDER [UNITS] [LAYERS]</c> makes it,
/// <c>status</c> folds it, <c>resume</c> runs it again to its end. Each in a process of its own, so that the peak of memory is its own.
/// Tensors are not written: units report digests only, which no fold looks at.
/// </summary>
internal static class MillionUnits
{
    private const string Tenant = "local";
    private const int Slots = 64;

    public static async Task RunAsync(string[] args)
    {
        var (verb, folder) = (args[0], args[1]);
        var clock = Stopwatch.StartNew();
        switch (verb)
        {
            case "make":
                var units = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 1_000_000;
                var layers = args.Length > 3 ? int.Parse(args[3], CultureInfo.InvariantCulture) : 1;
                await PlayAsync(folder, MakePlan(units, layers));
                break;
            case "status":
                var store = new CheckpointStore(new ReadOnlyBlobStore(FileBlobStore.OpenExisting(folder)));
                var plan = await FindPlanAsync(folder);
                var job = new StoredJob(store, await store.ReadScopeAsync(Tenant, plan.ComputeJobId(), CancellationToken.None), plan);
                await job.ReadAsync(null, CancellationToken.None);
                Console.WriteLine($"{job.Committed} of {job.Units} units committed, fold {job.Fold}");
                break;
            case "resume":
                await PlayAsync(folder, await FindPlanAsync(folder));
                break;
            default:
                throw new ArgumentException($"'{verb}' is not make, status or resume.", nameof(args));
        }

        Tell(verb, clock.Elapsed, folder);
    }

    internal static JobPlan MakePlan(int units, int layers)
    {
        var plan = SampleJobs.Plan(new ObqStep(4));
        var pattern = plan.Layers[0];
        var made = Enumerable.Range(0, layers).Select(i => pattern with
        {
            Index = i,
            Name = $"/layer{i}",
            Shape = pattern.Shape with { Rows = units / layers },
            Steps = [pattern.Steps[0] with { RangeRows = 1 }],
        }).ToArray();
        return plan with
        {
            Layers = made,
            Blocks = [new BlockPlan("all", [.. made.Select(l => l.Index)])],
            StatisticsGroups = [[.. made.Select(l => l.Index)]],
        };
    }

    private static async Task<JobPlan> FindPlanAsync(string folder)
    {
        var store = FileBlobStore.OpenExisting(folder);
        await foreach (var entry in store.ListAsync($"{Tenant}/jobs/", CancellationToken.None))
        {
            if (StoredName.Of(entry.Name) is { Kind: StoredKind.Plan, Scope.JobId: var id })
                return await new CheckpointStore(store).ReadPlanAsync(Tenant, id, CancellationToken.None) ?? throw new InvalidOperationException("The plan is damaged.");
        }

        throw new InvalidOperationException($"No job in '{folder}'.");
    }

    private static async Task PlayAsync(string folder, JobPlan plan)
    {
        await using var host = new EmbeddedHost(FileBlobStore.Open(folder, TimeProvider.System), EmbeddedHostOptions.Default, TimeProvider.System);
        using var over = new CancellationTokenSource();
        var model = host.Model(Tenant, plan.ComputeJobId());
        await model.StartAsync(new JobStart(Tenant, plan, Fresh: false), CancellationToken.None);
        var worker = WorkAsync(host.Scheduler, plan.Settings.Profile, over.Token);
        var result = await model.ResultAsync(CancellationToken.None);
        await over.CancelAsync();
        await worker;
        Console.WriteLine($"{result.Status}: {result.Summary.Computed} computed, {result.Summary.Reused} reused, fold {result.Fold}{(result.Reason is null ? "" : $", {result.Reason}")}");
    }

    internal static async Task WorkAsync(ISchedulerGrain scheduler, string profile, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                foreach (var lease in await scheduler.LeaseAsync(new LeaseRequest("stub", [profile], Slots), stop))
                    await scheduler.CompleteAsync(lease.Epoch, Outcome.Completed(Outputs(lease), EchoOutputs.Metrics(lease.Unit)), CancellationToken.None);
            }
        }
        catch (OperationCanceledException)
        {
            // The job is over.
        }
    }

    internal static List<UnitOutput> Outputs(Lease lease) =>
        [.. EchoOutputs.Roles(lease.Unit).Select(role => new UnitOutput(role, new BlobRef(
            BlobNames.Output(lease.OutputPrefix, role), Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(lease.Unit.Key + role))), 64)))];

    private static void Tell(string verb, TimeSpan elapsed, string folder)
    {
        using var process = Process.GetCurrentProcess();
        var files = new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).ToArray();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{verb}: {elapsed.TotalSeconds:0.0} s ({process.TotalProcessorTime.TotalSeconds:0.0} s of processor time), peak {process.PeakWorkingSet64 / 1048576.0:0} MiB, {files.Length} blobs of {files.Sum(f => f.Length) / 1048576.0:0} MiB, largest {files.Max(f => f.Length)} bytes"));
    }
}
