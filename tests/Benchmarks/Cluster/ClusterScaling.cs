using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Net.Sockets;
using Orchestrator.Benchmarks.Stores;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Benchmarks.Cluster;

/// <summary>
/// How much faster several workers are than one: <c>cluster-scaling [WORKERS [UNITS [MILLISECONDS]]]</c>. <c>orc serve</c> and every
/// <see cref="DelayWorker"/> are processes of their own over one folder; each count of workers has a server, a store and a job of its own. The time of a
/// job runs from its submission, when all workers have registered, to its end, with the stages that one worker alone can do.
/// </summary>
internal static class ClusterScaling
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(1);

    public static async Task RunAsync(string[] args)
    {
        var (workers, units, pause) = (ClusterThroughput.Number(args, 0, 4), ClusterThroughput.Number(args, 1, 400), ClusterThroughput.Number(args, 2, 200));
        var one = await MeasureAsync(1, units, pause);
        var many = await MeasureAsync(workers, units, pause);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{workers} workers: {many / one:0.00} times one worker's rate"));
    }

    private static async Task<double> MeasureAsync(int workers, int units, int pause)
    {
        var folder = Directory.CreateTempSubdirectory("orc-scaling-");
        var processes = new List<Process>();
        try
        {
            var store = Path.Combine(folder.FullName, "store");
            var server = new Uri($"http://127.0.0.1:{FreePort()}");
            processes.Add(Start(Program("orc"), "serve", "--store", store, "--listen", server.ToString()));
            using var client = new HttpClient { BaseAddress = server, Timeout = Timeout.InfiniteTimeSpan };
            await AwaitAsync(async () => (await client.GetStringAsync(Routes.Server)).Contains("\"role\":\"active\"", StringComparison.Ordinal));
            processes.AddRange(Enumerable.Range(0, workers).Select(w => Start(
                Program("Orchestrator.Benchmarks"), DelayWorker.Verb, server.ToString(), store, $"worker-{w}", pause.ToString(CultureInfo.InvariantCulture))));
            await AwaitAsync(async () => (await client.GetFromJsonAsync<WorkerView[]>(Routes.Workers, CanonicalJson.Options))!.Length == workers);
            var clock = Stopwatch.StartNew();
            var id = await ClusterThroughput.SubmitAsync(client, FileBlobStore.Open(store, TimeProvider.System), MillionUnits.MakePlan(units, 4));
            var end = await ClusterThroughput.WatchAsync(client, id);
            var (seconds, total) = (clock.Elapsed.TotalSeconds, processes.Sum(p => p.TotalProcessorTime.TotalSeconds));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{workers} workers: {end.Status}, {end.UnitsDone} units of {pause} ms in {seconds:0.0} s = {end.UnitsDone / seconds:0.00} units/s ({total:0.0} s of processor time, starts included)"));
            return end.UnitsDone / seconds;
        }
        finally
        {
            foreach (var process in processes)
            {
                process.Kill();
                process.Dispose();
            }

            folder.Delete(recursive: true);
        }
    }

    private static string Program(string name) => Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? $"{name}.exe" : name);

    private static Process Start(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        var process = Process.Start(start)!;
        // Whatever it says, nobody waits for it.
        _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
        _ = process.StandardError.BaseStream.CopyToAsync(Stream.Null);
        return process;
    }

    private static async Task AwaitAsync(Func<Task<bool>> isReached)
    {
        using var patience = new CancellationTokenSource(s_patience);
        while (!await AskAsync(isReached))
            await ClusterThroughput.PauseAsync(20, patience.Token);
    }

    /// <summary>A server that is about to start does not answer, and one that is not active yet refuses.</summary>
    private static async Task<bool> AskAsync(Func<Task<bool>> isReached)
    {
        try
        {
            return await isReached();
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
