using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Embedded;

/// <summary>Hosts the grains in this process: one activation per key, turn by turn, state in the blob store, timers by the clock. The whole control plane of <c>orc run</c>.</summary>
public sealed class EmbeddedHost : ICoordinator
{
    private readonly ConcurrentDictionary<string, Lazy<object>> _grains = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource<Exception> _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CheckpointStore _checkpoints;
    private readonly GrainStateStore _states;
    private readonly EmbeddedHostOptions _options;
    private readonly Func<TaskScheduler> _turns;
    private int _disposed;

    public EmbeddedHost(IBlobStore store, EmbeddedHostOptions options, TimeProvider clock)
        : this(store, options, clock, Guid.NewGuid().ToString("N"), () => new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler)
    {
    }

    /// <param name="identity">Unlike that of any other host on the store.</param>
    /// <param name="turns">Gives each activation a scheduler that runs one piece at a time.</param>
    public EmbeddedHost(IBlobStore store, EmbeddedHostOptions options, TimeProvider clock, string identity, Func<TaskScheduler> turns)
    {
        _turns = turns;
        _checkpoints = new CheckpointStore(store);
        _options = options;
        (Clock, Identity) = (clock, identity);
        Stopping = _stopping.Token;
        _states = new GrainStateStore(store, identity);
    }

    /// <inheritdoc/>
    public Task<Exception> Fault => _fault.Task;

    internal TimeProvider Clock { get; }

    internal string Identity { get; }

    internal CancellationToken Stopping { get; }

    public IModelGrain Model(string tenant, string jobId) => Grain<IModelGrain>(GrainKeys.Model(tenant, jobId));

    public ISchedulerGrain Scheduler => Grain<ISchedulerGrain>(GrainKeys.Scheduler);

    /// <summary>The grain that the units of an owner belong to.</summary>
    public IUnitOwnerGrain OwnerOf(UnitOwner owner) => owner.Kind == OwnerKind.Model ? Grain<IModelGrain>(owner.Key) : Grain<ILayerGrain>(owner.Key);

    /// <summary>Ends timers and messages. A turn under way runs to its end unseen; stop jobs first to have none.</summary>
    public ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _stopping.Cancel();
            _stopping.Dispose();
        }

        return ValueTask.CompletedTask;
    }

    internal TGrain Grain<TGrain>(string key)
        where TGrain : class =>
        (TGrain)_grains.GetOrAdd(key, k => new Lazy<object>(() => Make(typeof(TGrain), k))).Value;

    internal Task<T> UpdateStateAsync<T>(string key, Func<T?, T> change, CancellationToken cancellationToken)
        where T : class
    {
        var (tenant, name) = GrainKeys.StateOf(key);
        return _states.UpdateAsync(tenant ?? _options.Tenant, name, change, cancellationToken);
    }

    internal void Observe(Task message) => _ = ObserveAsync(message);

    private async Task ObserveAsync(Task message)
    {
        try
        {
            await message;
        }
        catch (OperationCanceledException) when (Volatile.Read(ref _disposed) == 1)
        {
            // The host is gone and so is everyone who would have cared.
        }
        catch (Exception fault)
        {
            _fault.TrySetResult(fault);
        }
    }

    private object Make(Type grain, string key)
    {
        if (grain == typeof(IModelGrain))
            return new EmbeddedModelGrain(Activate<IModelGrain>(key, host => new ModelGrain(host, _checkpoints, _options.Retry, _options.Telemetry)));
        if (grain == typeof(IBlockGrain))
            return new EmbeddedBlockGrain(Activate<IBlockGrain>(key, host => new BlockGrain(host)));
        if (grain == typeof(ILayerGrain))
            return new EmbeddedLayerGrain(Activate<ILayerGrain>(key, host => new LayerGrain(host, _checkpoints, _options.Retry, _options.Telemetry)));
        if (grain == typeof(ISchedulerGrain))
            return new EmbeddedSchedulerGrain(Activate<ISchedulerGrain>(key, host => new SchedulerGrain(host, _options.Leases, _options.Telemetry)));
        throw new ArgumentOutOfRangeException(nameof(grain), grain.Name, "no such grain");
    }

    private Activation<TGrain> Activate<TGrain>(string key, Func<IGrainHost, TGrain> create)
        where TGrain : class
    {
        Activation<TGrain>? activation = null;
        var host = new EmbeddedGrainHost(this, key, turn => activation!.TurnAsync(_ => turn()));
        activation = new Activation<TGrain>(async () =>
        {
            var grain = create(host);
            if (grain is IActivatedGrain activated)
                await activated.ActivateAsync(Stopping);
            return grain;
        }, _turns());
        return activation;
    }
}

/// <param name="Tenant">Whose names the state of the scheduler has, which is no tenant's.</param>
public sealed record EmbeddedHostOptions(string Tenant, RetryPolicy Retry, LeaseOptions Leases)
{
    public GrainTelemetry Telemetry { get; init; } = GrainTelemetry.None;

    public static EmbeddedHostOptions Default { get; } = new("local", RetryPolicy.Default, LeaseOptions.Default);
}
