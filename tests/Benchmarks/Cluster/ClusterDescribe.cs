using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Embedded;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Api;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Benchmarks.Cluster;

/// <summary>
/// How long a server takes to tell of a large job that it has never seen running: <c>cluster-describe FOLDER</c>, where FOLDER is what
/// <c>million-units make</c> left. The job is paused, so that its commits are folded for the answer.
/// </summary>
internal static class ClusterDescribe
{
    public static async Task RunAsync(string[] args)
    {
        var store = FileBlobStore.OpenExisting(args[0]);
        var job = await PauseAsync(store);
        using var stop = new CancellationTokenSource();
        var node = new ServerNode(ServerNodeOptions.Default, new ServerNodeParts(
            new ServerIdentity("bench", new Uri("http://bench.test"), Guid.NewGuid().ToString("N")), store, TimeProvider.System,
            _ => new EmbeddedHost(store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster }, TimeProvider.System),
            ClusterThroughput.FoldOf(store),
            notice => Console.WriteLine($"{notice.Kind}: {notice.Message}")));
        await using var api = ApiHost.Create(new ApiParts(node, store, "bench") { Stopping = stop.Token }, new Uri("http://127.0.0.1:0"));
        await api.StartAsync(CancellationToken.None);
        var running = node.RunAsync(stop.Token);
        while (node.TryActive() is null)
            await ClusterThroughput.PauseAsync(10, CancellationToken.None);
        using var client = new HttpClient { BaseAddress = api.Address, Timeout = Timeout.InfiniteTimeSpan };
        var asked = Stopwatch.GetTimestamp();
        var described = await client.GetFromJsonAsync<JobDescription>(Routes.Job(job), CanonicalJson.Options);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"describe: {described!.Job.State}, {described.Job.UnitsDone} of {described.Job.UnitsTotal} units, {Stopwatch.GetElapsedTime(asked).TotalSeconds:0.0} s"));
        await stop.CancelAsync();
        await running;
    }

    /// <summary>Makes the job of the store a paused one of the cluster.</summary>
    private static async Task<string> PauseAsync(FileBlobStore store)
    {
        await foreach (var entry in store.ListAsync("local/jobs/", CancellationToken.None))
        {
            if (StoredName.Of(entry.Name) is not { Kind: StoredKind.Plan, Scope.JobId: var id })
                continue;
            // An end of an earlier run is history to it.
            var head = new JobHead { Name = "bench", Wish = JobWish.Pause, Submitted = default, Generation = 0, Run = int.MaxValue, Documents = [] };
            await new ClusterHeads(store, "bench").UpdateJobAsync("local", id, _ => head, CancellationToken.None);
            return id;
        }

        throw new InvalidOperationException("There is no job in the store.");
    }
}
