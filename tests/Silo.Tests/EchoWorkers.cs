using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded.Tests;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Silo.Tests;

/// <summary>Workers that compute echoes, each through a silo of its own, and through the next one where that is gone.</summary>
/// <param name="coordinators">Gets the coordinators that live, at every request.</param>
internal sealed class EchoWorkers(IBlobStore store, Func<IReadOnlyList<ICoordinator>> coordinators) : IAsyncDisposable
{
    /// <summary>A silo that was killed in this process may never answer those in it; a process would have taken them along.</summary>
    private static readonly TimeSpan s_patience = 2 * SiloCluster.Impatient.Leases.LongPoll;

    private readonly TensorBlobs _blobs = new(store);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Task> _running = [];
    private int _completed;

    /// <summary>Called before each completion is told, with the number of those before it.</summary>
    public Func<int, Task> Completing { get; set; } = _ => Task.CompletedTask;

    public int Completed => Volatile.Read(ref _completed);

    public EchoWorkers Start(int count)
    {
        for (var i = 0; i < count; i++)
        {
            var worker = i;
            _running.Add(Task.Run(() => RunAsync(worker)));
        }

        return this;
    }

    /// <summary>When it returns no worker tells anything any more.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_running);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }

    private async Task RunAsync(int worker)
    {
        for (var at = worker; !_stop.IsCancellationRequested; at++)
        {
            try
            {
                while (true)
                {
                    foreach (var lease in await Scheduler(at).LeaseAsync(new LeaseRequest($"echo-{worker}", [SampleJobs.Profile], 1), _stop.Token).WaitAsync(s_patience, _stop.Token))
                        await CompleteAsync(at, lease);
                }
            }
            catch (Exception failure) when (_stop.IsCancellationRequested || failure is OperationCanceledException || CallFailure.IsTransient(failure))
            {
                // That silo is gone or does not answer; the next one does.
            }
        }
    }

    private async Task CompleteAsync(int at, Lease lease)
    {
        var outcome = await EchoJob.AttemptAsync(lease, _blobs);
        await Completing(Interlocked.Increment(ref _completed) - 1);
        await Scheduler(at).CompleteAsync(lease.Epoch, outcome, _stop.Token).WaitAsync(s_patience, _stop.Token);
    }

    private ISchedulerGrain Scheduler(int at)
    {
        var living = coordinators();
        return living[at % living.Count].Scheduler;
    }
}
