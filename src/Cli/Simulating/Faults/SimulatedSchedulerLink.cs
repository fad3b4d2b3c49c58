using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Simulating.Faults;

/// <summary>A worker's way to whoever coordinates now. What is not answered ends in an <see cref="IOException"/>, as with any transport.</summary>
/// <param name="coordinator">Null where there is none at the moment.</param>
internal sealed class SimulatedSchedulerLink(SimulatedWorld world, SimulatedProcess process, Func<SimulatedCoordinator?> coordinator, FaultPlan faults) : IWorkerScheduler
{
    private static readonly TimeSpan s_timeout = TimeSpan.FromSeconds(5);

    /// <summary>Longer than a coordinator keeps a request for units waiting.</summary>
    private static readonly TimeSpan s_longPoll = TimeSpan.FromSeconds(25);

    private readonly Dice _pace = new(1, process.Name);

    public Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken) =>
        CallAsync("lease", scheduler => scheduler.LeaseAsync(request, CancellationToken.None), s_longPoll, cancellationToken);

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) =>
        CallAsync("heartbeat", scheduler => scheduler.HeartbeatAsync(heartbeat, CancellationToken.None), s_timeout, cancellationToken);

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken) =>
        CallAsync("complete", scheduler => scheduler.CompleteAsync(epoch, outcome, CancellationToken.None), s_timeout, cancellationToken);

    private async Task<T> CallAsync<T>(string message, Func<ISchedulerGrain, Task<T>> call, TimeSpan patience, CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cancelled = cancellationToken.Register(() => answer.TrySetCanceled(cancellationToken));
        var fault = faults.Next($"{process.Name}/{message}");
        if (fault != Fault.None)
            world.Trace.Note(world.Now, process.Name, $"{message}: {fault}");
        var dice = new Dice(2, $"{process.Name}{message}{world.Now.Ticks}");
        switch (fault)
        {
            case Fault.Failed:
                world.After(Pace(), () => answer.TrySetException(new IOException($"The coordinator refused the connection ({message}).")));
                break;
            case Fault.Lost:
                break;
            case Fault.AnswerLost:
                world.After(Pace(), () => Deliver(call, null));
                break;
            case Fault.Late:
                world.After(patience + dice.Between(0, 60), () => Deliver(call, null));
                break;
            default:
                world.After(fault == Fault.Delayed ? dice.Between(0.5, 20) : Pace(), () => Deliver(call, answer));
                if (fault == Fault.Duplicated)
                    world.After(dice.Between(0, 60), () => Deliver(call, null));
                break;
        }

        world.After(patience, () => answer.TrySetException(new IOException($"The coordinator did not answer ({message}).")));
        return await answer.Task;
    }

    /// <summary>At the coordinator's: what arrives where none is, is lost.</summary>
    private void Deliver<T>(Func<ISchedulerGrain, Task<T>> call, TaskCompletionSource<T>? answer)
    {
        if (coordinator() is not { Process.IsDead: false } there)
            return;
        _ = there.Process.Run(async () =>
        {
            T result;
            try
            {
                result = await call(there.Scheduler);
            }
            catch (Exception cause)
            {
                world.After(Pace(), () => answer?.TrySetException(new IOException($"The coordinator failed: {cause.Message}")));
                return;
            }

            world.After(Pace(), () => answer?.TrySetResult(result));
        });
    }

    private TimeSpan Pace() => _pace.Between(0.001, 0.02);
}
