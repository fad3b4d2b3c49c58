using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Telemetry;
using Orchestrator.Cli.Verbs;
using Orchestrator.Compression.Models;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Servers;
using Orchestrator.Worker.Units;

namespace Orchestrator.Cli.Working;

/// <summary><c>orc worker</c>: devices, server, store, cache, loop. The composition root of a worker.</summary>
internal sealed partial class WorkerRun(WorkerRunOptions options, VerbContext context)
{
    private const string Shared = "shared";

    /// <summary>Wait before servers of which none answered are asked again.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>A worker that ends does not wait long for somebody to tell it to.</summary>
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(3);

    private readonly TimeProvider _clock = context.Surroundings.Clock;
    private ILogger _logger = NullLogger.Instance;

    public async Task<int> RunAsync(CancellationToken interruption)
    {
        var devices = DeviceInventory.Of(options.Device, options.Profile, context.Surroundings.Limits.MemoryBytes);
        using var telemetry = TelemetrySession.Open("orchestrator-worker", options.Name, context.Surroundings, options.Log);
        _logger = telemetry.Logs.CreateLogger<WorkerRun>();
        var tally = new WorkerTally(Say, _clock);
        var registration = new WorkerRegistration(options.Name, options.Slots, devices.Profiles, devices.Devices, OrcCommand.Version);
        Say("starting", $"{options.Slots} slots, profiles {string.Join(", ", devices.Profiles)}");
        using var scheduler = new HttpScheduler(options.Servers, options.Key, registration, (server, _) => Say("registered", $"with {server}"), _clock);
        if (await RegisterAsync(scheduler, tally, interruption) is not { } terms)
            return Drained(tally.Result(options.Name, 0));

        using var scratch = new Scratch(options.Cache);
        var means = new WorkerMeans { FreeBytes = () => FreeMemory.Of(context.Surroundings.Limits.MemoryBytes), Observer = new ObserverPair(tally, telemetry.Counting(options.Name)) };
        var store = terms.Store == Shared ? await SharedAsync(telemetry, interruption) : null;
        // A store in a folder is as near as a cache would be.
        using var cache = options.Store?.Address.Folder is null ? DiskCache.Open(scratch.Folder, options.CacheBytes, context.Surroundings.Limits.FreeDiskBytes) : null;
        means = means with { Cache = cache, BlobsOf = store is null ? lease => Granted(scheduler, lease, scratch, telemetry) : null };
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        using var runners = Runners(devices, environment);
        var workerOptions = WorkerOptions.Create(options.Name, devices.Profiles[0], options.Slots) with { Profiles = devices.Profiles, HeartbeatEvery = terms.HeartbeatEvery };
        var loop = new WorkerLoop(scheduler, telemetry.Traced(runners), new TensorBlobs(store ?? new MemoryBlobStore()), workerOptions, _clock, means);
        await WorkAsync(loop, scheduler, interruption);
        return Drained(tally.Result(options.Name, loop.BytesRead));
    }

    /// <summary>Until some server answers; null where the worker was told to stop before.</summary>
    private async Task<WorkerTerms?> RegisterAsync(HttpScheduler scheduler, WorkerTally tally, CancellationToken interruption)
    {
        while (true)
        {
            try
            {
                return await scheduler.RegisterAsync(interruption);
            }
            catch (IOException lost)
            {
                tally.Noted("server-lost", lost.Message);
            }
            catch (OperationCanceledException) when (interruption.IsCancellationRequested)
            {
                return null;
            }

            await Task.Delay(s_patience, _clock, interruption).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    private async Task WorkAsync(WorkerLoop loop, HttpScheduler scheduler, CancellationToken interruption)
    {
        using var handBack = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _clock);
        var farewell = Task.CompletedTask;
        await using var draining = interruption.Register(() =>
        {
            Say("draining", $"no more units are taken; those under way have {options.Grace.TotalSeconds:0} s");
            handBack.CancelAfter(options.Grace);
            farewell = DeregisterAsync(scheduler);
        });
        await loop.RunAsync(interruption, handBack.Token);
        await farewell;
    }

    private async Task DeregisterAsync(HttpScheduler scheduler)
    {
        try
        {
            using var patience = new CancellationTokenSource(s_farewell, _clock);
            await scheduler.DeregisterAsync(patience.Token);
        }
        catch (Exception gone) when (gone is IOException or OperationCanceledException or ObjectDisposedException or InputException)
        {
            // The server notices by itself that nothing is asked for any more.
        }
    }

    private async Task<IBlobStore> SharedAsync(TelemetrySession telemetry, CancellationToken interruption) => options.Store is { } store
        ? telemetry.Measured(await (store with { Instruments = telemetry.Store }).OpenAsync(context, interruption), _clock)
        : throw new InputException("store-missing", "--store", "the server's store gives no grants, so that a worker has to open the store itself", "Give the worker the same --store as the server.");

    private TensorBlobs Granted(HttpScheduler scheduler, Lease lease, Scratch scratch, TelemetrySession telemetry) => new(telemetry.Measured(new GrantedBlobStore(
        async (name, access, token) =>
        {
            var (reads, creates) = access == BlobAccess.Read ? ((string[])[name], (string[])[]) : ([], [name]);
            var granted = await scheduler.GrantAsync(new GrantRequest(options.Name, lease.Epoch, reads, creates), token);
            return granted.Select(grant => new GrantedAddress(grant.Uri, grant.Expires)).FirstOrDefault() ?? throw new IOException($"The server granted nothing for '{name}'.");
        },
        new AzureStoreOptions(_clock, Random.Shared.NextDouble) { Instruments = telemetry.Store },
        scratch.Uploads), _clock));

    private ProfileRunners Runners(DeviceInventory devices, OrtEnvironment environment) => new(devices.Profiles.ToDictionary(
        profile => profile,
        IUnitRunner (profile) => new UnitRunner(new ModelRuntime(environment, NumericProfiles.ProviderOf(profile)), NumericProfiles.WidthOf(profile), _clock)));

    private int Drained(WorkerResult result)
    {
        Say("stopped", $"{result.Units} units done, {result.Failed} failed, {result.HandedBack} handed back, {result.NotUsed} not used");
        context.WriteResult(result);
        return ExitCodes.Success;
    }

    private void Say(string kind, string message) =>
        LogNotice(_logger, kind is "starting" or "registered" or "working" or "draining" or "stopped" ? LogLevel.Information : LogLevel.Warning, options.Name, kind, message);
}
