using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Orchestrator.Benchmarks.Stores;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Silo;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Benchmarks.Silos;

/// <summary>
/// Units leased, completed and committed in a second, one unit a call, by the embedded host, by one silo and by two that talk over
/// sockets: <c>silo-throughput [UNITS] [WORKERS]</c>. All in this process, over a memory store, with workers that compute nothing.
/// </summary>
internal static class SiloThroughput
{
    private const string Tenant = "local";

    public static async Task RunAsync(string[] args)
    {
        var (units, workers) = (Number(args, 0, 20_000), Number(args, 1, 16));
        // Each once for the compiler, then twice in turn: what else the machine does hits all of them.
        foreach (var (round, count) in new[] { ("warm-up", units / 10), ("first", units), ("second", units) })
        {
            await MeasureAsync($"{round}: embedded", store => Task.FromResult<ICoordinator[]>([new EmbeddedHost(store, EmbeddedHostOptions.Default, TimeProvider.System)]), count, workers);
            await MeasureAsync($"{round}: one silo", store => StartAsync(store, 1), count, workers);
            await MeasureAsync($"{round}: two silos", store => StartAsync(store, 2), count, workers);
        }
    }

    private static async Task MeasureAsync(string what, Func<MemoryBlobStore, Task<ICoordinator[]>> start, int units, int workers)
    {
        var plan = MillionUnits.MakePlan(units, 4);
        var coordinators = await start(new MemoryBlobStore());
        using var over = new CancellationTokenSource();
        var (clock, cpu) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        var model = coordinators[0].Model(Tenant, plan.ComputeJobId());
        await model.StartAsync(new JobStart(Tenant, plan, Fresh: false), CancellationToken.None);
        var working = Enumerable.Range(0, workers).Select(w => WorkAsync($"worker-{w}", coordinators[w % coordinators.Length].Scheduler, over.Token)).ToArray();
        var result = await model.ResultAsync(CancellationToken.None);
        var (seconds, spent) = (clock.Elapsed.TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
        await over.CancelAsync();
        await Task.WhenAll(working);
        foreach (var coordinator in coordinators)
            await coordinator.DisposeAsync();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{what}: {result.Status}, {result.Summary.Computed} units in {seconds:0.00} s = {result.Summary.Computed / seconds:0} units/s ({spent:0.0} s of processor time)"));
    }

    private static async Task WorkAsync(string worker, ISchedulerGrain scheduler, CancellationToken stop)
    {
        try
        {
            while (true)
            {
                foreach (var lease in await scheduler.LeaseAsync(new LeaseRequest(worker, [SampleJobs.Profile], 1), stop))
                    await scheduler.CompleteAsync(lease.Epoch, Outcome.Completed(MillionUnits.Outputs(lease), EchoOutputs.Metrics(lease.Unit)), stop);
            }
        }
        catch (OperationCanceledException)
        {
            // The job is over.
        }
    }

    private static async Task<ICoordinator[]> StartAsync(MemoryBlobStore store, int silos)
    {
        var started = new List<ICoordinator>();
        IPEndPoint? first = null;
        for (var s = 0; s < silos; s++)
        {
            var address = new IPEndPoint(IPAddress.Loopback, FreePort());
            started.Add(await SiloCoordinator.StartAsync(store, SiloOptions.Default with { Address = address, Primary = first }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None));
            first ??= address;
        }

        return [.. started];
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static int Number(string[] args, int at, int otherwise) => args.Length > at ? int.Parse(args[at], CultureInfo.InvariantCulture) : otherwise;
}
