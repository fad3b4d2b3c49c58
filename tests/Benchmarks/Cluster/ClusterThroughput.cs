using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Orchestrator.Benchmarks.Stores;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Api;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Benchmarks.Cluster;

/// <summary>
/// A server, its API on loopback and workers that compute nothing, all in one process:
/// <c>cluster-throughput WORKERS UNITS MILLISECONDS-A-UNIT [memory|azurite [LAYERS]]</c>; Azurite is a process of its own. Every lease and every completion is a request of its own; units are
/// committed by the coordinator as always. Dispatch is the time from a worker's request for a unit to its answer with one.
/// </summary>
internal static class ClusterThroughput
{
    /// <summary>Many workers begin within it; what they see before it has passed twice is not counted.</summary>
    private static readonly TimeSpan s_rampUp = TimeSpan.FromSeconds(5);

    private const int Crowd = 100;

    private static readonly string s_model = Convert.ToHexStringLower(SHA256.HashData("model"u8));

    public static async Task RunAsync(string[] args)
    {
        var (workers, units, pause) = (Number(args, 0, 16), Number(args, 1, 20_000), Number(args, 2, 0));
        await using var azurite = args.Contains("azurite") ? await AzuriteServer.StartAsync() : null;
        IBlobStore store = azurite is null ? new MemoryBlobStore() : await azurite.OpenAsync("bench");
        using var stop = new CancellationTokenSource();
        var node = new ServerNode(ServerNodeOptions.Default, new ServerNodeParts(
            new ServerIdentity("bench", new Uri("http://bench.test"), "bench"), store, TimeProvider.System,
            _ => new EmbeddedHost(store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster }, TimeProvider.System), FoldOf(store),
            notice => Console.WriteLine($"{notice.Kind}: {notice.Message}")));
        await using var api = ApiHost.Create(new ApiParts(node, store, "bench") { Stopping = stop.Token }, new Uri("http://127.0.0.1:0"));
        await api.StartAsync(CancellationToken.None);
        var running = node.RunAsync(stop.Token);
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = int.MaxValue };
        using var client = new HttpClient(handler) { BaseAddress = api.Address, Timeout = Timeout.InfiniteTimeSpan };
        while (node.TryActive() is null)
            await PauseAsync(10, CancellationToken.None);
        var id = await SubmitAsync(client, store, MillionUnits.MakePlan(units, Number(args, 4, 4)));
        await MeasureAsync(client, store, id, workers, pause, stop);
        await running;
    }

    private static async Task MeasureAsync(HttpClient client, IBlobStore store, string id, int workers, int pause, CancellationTokenSource stop)
    {
        var dispatches = new ConcurrentBag<double>();
        using var over = new CancellationTokenSource();
        var (clock, cpu) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        var working = Enumerable.Range(0, workers).Select(w => WorkAsync(client, w, pause, workers >= Crowd, dispatches, clock, over.Token)).ToArray();
        var end = await WatchAsync(client, id);
        var seconds = clock.Elapsed.TotalSeconds;
        await over.CancelAsync();
        await Task.WhenAll(working);
        var sorted = dispatches.Order().ToArray();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{end.Status}: {end.UnitsDone} units in {seconds:0.0} s = {end.UnitsDone / seconds:0} units/s leased, completed and committed by {workers} workers ({(Environment.CpuUsage.TotalTime - cpu).TotalSeconds:0.0} s of processor time, workers included); dispatch p50 {At(sorted, 0.5):0.0} ms, p99 {At(sorted, 0.99):0.0} ms, max {sorted[^1]:0.0} ms"));
        var asked = Stopwatch.GetTimestamp();
        var described = await client.GetFromJsonAsync<JobDescription>(Routes.Job(id), CanonicalJson.Options);
        var (took, blobs) = (Stopwatch.GetElapsedTime(asked).TotalMilliseconds, await CountAsync(store));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"describe of {described!.Job.UnitsDone} units: {took:0} ms; {blobs} blobs"));
        await stop.CancelAsync();
    }

    private static async Task WorkAsync(HttpClient client, int number, int pause, bool crowd, ConcurrentBag<double> dispatches, Stopwatch clock, CancellationToken stop)
    {
        var name = $"worker-{number}";
        // Workers of a cluster do not start in the same millisecond.
        if (crowd)
            await PauseAsync(1 + number * 7919 % (s_rampUp.Milliseconds + 1_000 * s_rampUp.Seconds), CancellationToken.None);
        var registration = new WorkerRegistration(name, 1, [SampleJobs.Profile], [new WorkerDevice("cpu", "none", null)], "bench");
        (await client.PostAsJsonAsync(Routes.Register, registration, CanonicalJson.Options, stop)).EnsureSuccessStatusCode();
        try
        {
            while (true)
            {
                var asked = Stopwatch.GetTimestamp();
                using var answer = await client.PostAsJsonAsync(Routes.Lease, new LeaseRequest(name, [SampleJobs.Profile], 1), CanonicalJson.Options, stop);
                if (answer.StatusCode == HttpStatusCode.ServiceUnavailable)
                    return;
                foreach (var lease in (await answer.Content.ReadFromJsonAsync<Lease[]>(CanonicalJson.Options, stop))!)
                {
                    // Only of rows, of which there are always some: a request that waits for a stage to begin measures the stage before.
                    if (lease.Unit.Spec is RowsSpec && (!crowd || clock.Elapsed > 2 * s_rampUp))
                        dispatches.Add(Stopwatch.GetElapsedTime(asked).TotalMilliseconds);
                    if (pause > 0)
                        await PauseAsync(pause, stop);
                    var completion = new Completion(name, lease.Epoch, Outcome.Completed(MillionUnits.Outputs(lease), EchoOutputs.Metrics(lease.Unit)));
                    (await client.PostAsJsonAsync(Routes.Complete, completion, CanonicalJson.Options, stop)).EnsureSuccessStatusCode();
                }
            }
        }
        catch (Exception) when (stop.IsCancellationRequested)
        {
            // The job is over.
        }
    }

    internal static async Task PauseAsync(int milliseconds, CancellationToken stop)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(milliseconds));
        await timer.WaitForNextTickAsync(stop);
    }

    /// <summary>The job as it is when it has ended.</summary>
    internal static async Task<JobView> WatchAsync(HttpClient client, string id)
    {
        var lines = await client.GetStringAsync(Routes.Watch(id));
        return JsonSerializer.Deserialize<JobView>(lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], CanonicalJson.Options)!;
    }

    /// <returns>The job's id.</returns>
    internal static async Task<string> SubmitAsync(HttpClient client, IBlobStore store, JobPlan plan)
    {
        var source = new SourceBlob(s_model, "model"u8.Length);
        await store.CreateAsync(BlobNames.Input("local", s_model), "model"u8.ToArray(), CancellationToken.None);
        plan = plan with { Settings = plan.Settings with { Model = source, Calibration = source, Evaluation = source } };
        var stamp = new SourceStamp("model", s_model, source.Length);
        var answer = await client.PostAsJsonAsync(Routes.Jobs, new JobSubmission("bench", plan, SampleJobs.ThreeLayers(), new JobSources(stamp, stamp, stamp, stamp), Fresh: false), CanonicalJson.Options);
        answer.EnsureSuccessStatusCode();
        return (await answer.Content.ReadFromJsonAsync<JobView>(CanonicalJson.Options))!.Id;
    }

    internal static FoldJob FoldOf(IBlobStore store) => async (scope, plan, token) =>
    {
        var job = new StoredJob(new CheckpointStore(store), scope, plan);
        await job.ReadAsync(null, token);
        return new StoredResult(job.Model, job.ModelData, job.Summarize(), job.Units, job.Fold ?? "");
    };

    private static async Task<int> CountAsync(IBlobStore store)
    {
        var count = 0;
        await foreach (var _ in store.ListAsync("", CancellationToken.None))
            count++;
        return count;
    }

    private static double At(double[] sorted, double share) => sorted[(int)(share * (sorted.Length - 1))];

    internal static int Number(string[] args, int place, int otherwise) => args.Length > place ? int.Parse(args[place], CultureInfo.InvariantCulture) : otherwise;
}
