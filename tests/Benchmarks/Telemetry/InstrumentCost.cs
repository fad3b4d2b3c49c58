using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Orchestrator.Benchmarks.Stores;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Plans;
using Orchestrator.TestKit.Telemetry;

namespace Orchestrator.Benchmarks.Telemetry;

/// <summary>
/// What instruments cost: units a second, leased, completed and committed in memory, without instruments, with instruments that nobody
/// hears, with all metrics heard, and with all spans as well. <c>instrument-cost [UNITS] [ROUNDS]</c>; the four take turns, since machines
/// are noisy, and the medians of the rounds are compared.
/// </summary>
internal static class InstrumentCost
{
    private const string Tenant = "local";
    private static readonly string[] s_forms = ["none", "silent", "metrics", "metrics and spans"];

    public static async Task RunAsync(string[] args)
    {
        var units = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 20_000;
        var rounds = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
        var plan = MillionUnits.MakePlan(units, 1);
        await PlayAsync(plan, 0);
        var rates = s_forms.Select(_ => new List<double>()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            for (var form = 0; form < s_forms.Length; form++)
                rates[form].Add(units / (await PlayAsync(plan, form)).TotalSeconds);
        }

        var medians = rates.Select(r => r.Order().ElementAt(rounds / 2)).ToArray();
        for (var form = 0; form < s_forms.Length; form++)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{s_forms[form]}: {medians[form]:0} units/s, {medians[form] / medians[0]:0.000} of none"));
    }

    private static async Task<TimeSpan> PlayAsync(JobPlan plan, int form)
    {
        using var meter = new Meter("bench");
        using var source = new ActivitySource("bench");
        using var metrics = form >= 2 ? new MeterRecorder(meter) : null;
        using var spans = form >= 3 ? new SpanRecorder(source) : null;
        var telemetry = form == 0 ? GrainTelemetry.None : new GrainTelemetry(new GrainInstruments(meter, source), NullLoggerFactory.Instance);
        var memory = new MemoryBlobStore();
        IBlobStore store = form == 0 ? memory : new MeteredBlobStore(memory, new StoreInstruments(meter), TimeProvider.System);
        await using var host = new EmbeddedHost(store, EmbeddedHostOptions.Default with { Telemetry = telemetry }, TimeProvider.System);
        using var over = new CancellationTokenSource();
        var clock = Stopwatch.StartNew();
        var model = host.Model(Tenant, plan.ComputeJobId());
        await model.StartAsync(new JobStart(Tenant, plan, Fresh: false), CancellationToken.None);
        var worker = MillionUnits.WorkAsync(host.Scheduler, plan.Settings.Profile, over.Token);
        var result = await model.ResultAsync(CancellationToken.None);
        var took = clock.Elapsed;
        await over.CancelAsync();
        await worker;
        return result.Model is null ? throw new InvalidOperationException($"The job ended as {result.Status}: {result.Reason}") : took;
    }
}
