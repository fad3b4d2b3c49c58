using System.Diagnostics;
using System.Globalization;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Benchmarks.Scheduling;

/// <summary>
/// How long a lease takes: <c>lease-pace [UNITS] [WORKERS] [JOBS]</c> offers units of jobs and sizes in turn, one in ten with workers to
/// avoid, and leases them all to workers in turn, each holding one unit at a time, as the scheduler does: request, lease, heartbeat, end.
/// </summary>
internal static class LeasePace
{
    private const string Profile = "avx2-cpu-ort1.30.0";

    private static readonly TimeSpan s_beat = TimeSpan.FromMilliseconds(1);

    public static void Run(string[] args)
    {
        var (units, workers, jobs) = (Number(args, 0, 1_000_000), Number(args, 1, 1_000), Number(args, 2, 1_000));
        var table = new LeaseTable(LeaseOptions.Default);
        var requests = Enumerable.Range(0, workers).Select(w => new LeaseRequest($"worker-{w}", [Profile], 1) { FreeBytes = (4L + w % 29) << 30 }).ToArray();
        foreach (var request in requests)
            table.Ask(request, TimeSpan.Zero);
        var offers = Enumerable.Range(0, units).Select(i => Offer(i, jobs, workers)).ToArray();
        var clock = Stopwatch.StartNew();
        foreach (var offer in offers)
            table.Offer(offer, TimeSpan.Zero);
        var offered = clock.Elapsed;

        var took = new List<double>(units);
        var held = new Queue<Epoch>();
        var (leased, vain, now) = (0, 0, TimeSpan.Zero);
        clock.Restart();
        for (var turn = 0; leased < units && vain < workers; turn++)
        {
            var request = requests[turn % workers];
            var began = Stopwatch.GetTimestamp();
            now += s_beat / workers;
            table.Ask(request, now);
            table.Expire(now);
            if (table.Take(request, new Epoch(1, turn + 1), now) is { } unit)
            {
                (leased, vain) = (leased + 1, 0);
                table.Renew(request.Worker, unit.Epoch, 0.5, now);
                held.Enqueue(unit.Epoch);
                if (held.Count >= workers)
                    table.End(held.Dequeue());
            }
            else
            {
                vain++;
            }

            took.Add(Stopwatch.GetElapsedTime(began).TotalMicroseconds);
        }

        var all = clock.Elapsed;
        took.Sort();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{units} units, {jobs} jobs, {workers} workers: offers {units / offered.TotalSeconds:0} a second; {leased} leases, {leased / all.TotalSeconds:0} a second; p50 {took[took.Count / 2]:0.0} µs, p99 {took[took.Count * 99 / 100]:0.0} µs, most {took[^1] / 1_000:0.0} ms"));
    }

    private static UnitOffer Offer(int i, int jobs, int workers) => new(new UnitOwner(OwnerKind.Layer, $"layer/local/{i % jobs}/0"), "local", $"job-{i % jobs}", new WorkUnit
    {
        Id = $"{i}",
        Key = "",
        Kind = UnitKind.Statistics,
        Spec = new InverseSpec(new LayerRef("/conv", 0), 1, 9, 0),
        Inputs = [],
        Profile = Profile,
        Cost = 1,
    })
    {
        MemoryBytes = (1L + i % 24) << 27,
        Avoid = i % 10 == 0 ? [$"worker-{i / 10 % 40 % workers}"] : [],
    };

    private static int Number(string[] args, int at, int otherwise) => args.Length > at ? int.Parse(args[at], CultureInfo.InvariantCulture) : otherwise;
}
