using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;
using Orchestrator.Server.Telemetry;
using Orchestrator.Server.Tests.Api;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Server.Tests.Nodes;

/// <summary>A server's node on virtual time, without a network.</summary>
internal sealed class VirtualNode : IDisposable
{
    private readonly CancellationTokenSource _stop = new();

    public VirtualNode(IBlobStore store, string name = "server", ServerInstruments? instruments = null)
    {
        var identity = 0;
        Node = new ServerNode(ServerNodeOptions.Default, new ServerNodeParts(
            new ServerIdentity(name, new Uri($"http://{name}"), name),
            store,
            Process.Clock,
            _ => Coordinator = new BreakableCoordinator(new EmbeddedHost(
                store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster }, Process.Clock, $"{name}-{++identity}", () => Process)),
            TestServer.FoldOf(store),
            Notices.Add)
        {
            Instruments = instruments,
        });
    }

    public VirtualProcess Process { get; } = new();

    public ServerNode Node { get; }

    public List<ServerNotice> Notices { get; } = [];

    /// <summary>The last one made.</summary>
    public BreakableCoordinator? Coordinator { get; private set; }

    public void Start() => _ = Process.Start(() => Node.RunAsync(_stop.Token));

    public void Stop() => _ = Process.Start(() =>
    {
        _stop.Cancel();
        return Task.CompletedTask;
    });

    /// <summary>Asks something of the active server and lets time pass until it is answered.</summary>
    public T Ask<T>(Func<ActiveServer, Task<T>> ask, params IReadOnlyList<VirtualProcess> others)
    {
        T? answer = default;
        var asked = Process.Start(async () => answer = await ask(Node.Active()));
        for (var step = 0; step < 600 && !asked.IsCompleted; step++)
            VirtualProcess.Pass(TimeSpan.FromMilliseconds(100), [Process, .. others]);
        if (asked.IsFaulted)
            throw asked.Exception.InnerException!;
        Assert.True(asked.IsCompletedSuccessfully, "not answered within a minute");
        return answer!;
    }

    public JobView Submit(IBlobStore store, JobPlan? plan = null) => Ask(async active =>
    {
        await TestJob.ImportSourcesAsync(store);
        return await active.Jobs.SubmitAsync("local", TestJob.Submission(plan), CancellationToken.None);
    });

    public JobView View() => Ask(async active => (await active.Jobs.DescribeAsync("local", TestJob.Id, CancellationToken.None)).Job);

    public string Explain() => Ask(active => active.Jobs.ExplainAsync("local", TestJob.Id, CancellationToken.None)).Code;

    public void Dispose() => _stop.Dispose();
}

/// <summary>A coordinator that can be made to fail.</summary>
internal sealed class BreakableCoordinator(EmbeddedHost host) : ICoordinator
{
    private readonly TaskCompletionSource<Exception> _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public bool IsDisposed { get; private set; }

    public ISchedulerGrain Scheduler => host.Scheduler;

    public Task<Exception> Fault => _fault.Task;

    public IModelGrain Model(string tenant, string jobId) => host.Model(tenant, jobId);

    public void Break(Exception fault) => _fault.TrySetResult(fault);

    public ValueTask DisposeAsync()
    {
        IsDisposed = true;
        return host.DisposeAsync();
    }
}

/// <summary>Works for whichever node is active, on virtual time.</summary>
internal sealed class VirtualWorker(IBlobStore store, params IReadOnlyList<VirtualNode> nodes)
{
    private static readonly TimeSpan s_unit = TimeSpan.FromMilliseconds(300);

    private readonly TensorBlobs _blobs = new(store);

    public VirtualProcess Process { get; } = new();

    /// <summary>Units after which it works no more.</summary>
    public int Most { get; set; } = int.MaxValue;

    public int Done { get; private set; }

    /// <summary>Null for sound units.</summary>
    public Func<WorkUnit, Failure?> Fails { get; init; } = _ => null;

    public void Start() => _ = Process.Start(RunAsync);

    private async Task RunAsync()
    {
        using var tick = new PeriodicTimer(s_unit, Process.Clock);
        while (await tick.WaitForNextTickAsync())
        {
            try
            {
                if (Done < Most && nodes.Select(n => n.Node.TryActive()).FirstOrDefault(a => a is not null) is { } active)
                    await WorkAsync(active);
            }
            catch (Exception cause) when (cause is RefusedException or IOException or OperationCanceledException)
            {
                // The server is on its way from one state to another.
            }
        }
    }

    private async Task WorkAsync(ActiveServer active)
    {
        active.Workers.Register(new WorkerRegistration("w", 1, [SampleJobs.Profile], [], "1"));
        // Does not wait for units: the next tick asks again.
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(1), Process.Clock);
        foreach (var lease in await active.Scheduler.LeaseAsync(new LeaseRequest("w", [SampleJobs.Profile], 1), patience.Token))
        {
            if (await active.Scheduler.CompleteAsync(lease.Epoch, Fails(lease.Unit) is { } failure ? Outcome.WorkloadFailed(failure) : await AttemptAsync(lease), CancellationToken.None))
                Done++;
        }
    }

    private async Task<Outcome> AttemptAsync(Lease lease)
    {
        var inputs = new List<ReadOnlyMemory<byte>>();
        foreach (var input in lease.Unit.Inputs)
            inputs.Add(await _blobs.ReadAsync(input.Blob, CancellationToken.None));
        var outputs = new List<UnitOutput>();
        foreach (var role in EchoOutputs.Roles(lease.Unit))
            outputs.Add(new UnitOutput(role, await _blobs.WriteAsync(BlobNames.Output(lease.OutputPrefix, role), EchoOutputs.Content(lease.Unit, role, inputs), CancellationToken.None)));
        return Outcome.Completed(outputs, EchoOutputs.Metrics(lease.Unit));
    }
}
