using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Worker.Tests;

/// <summary>A scheduler with some leases to give, each to the first that asks.</summary>
internal sealed class OneLease(TimeSpan duration, int leases = 1) : IWorkerScheduler
{
    private TaskCompletionSource _heartbeat = new();
    private int _given;

    /// <summary>Does not answer heartbeats.</summary>
    public bool IsDeaf { get; init; }

    /// <summary>Answers heartbeats at their end only, and then with this failure.</summary>
    public Exception? BreaksOff { get; init; }

    /// <summary>Renews nothing.</summary>
    public bool IsWithdrawn { get; init; }

    /// <summary>What passes before the request for units is answered.</summary>
    public Action Waits { get; init; } = () => { };

    public TimeSpan Waited { get; init; }

    /// <summary>What becomes of an outcome that is told.</summary>
    public Func<Outcome, bool> Hears { get; init; } = _ => true;

    public Func<WorkUnit, WorkUnit> Shape { get; init; } = unit => unit;

    public List<Outcome> Reported { get; } = [];

    public List<LeaseRequest> Requests { get; } = [];

    public TaskCompletionSource Running { get; } = new();

    public TaskCompletionSource AskedAgain { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task NextHeartbeat() => (_heartbeat = new TaskCompletionSource()).Task;

    public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
    {
        lock (Requests)
            Requests.Add(request);
        var number = Interlocked.Increment(ref _given);
        if (number > leases)
        {
            AskedAgain.TrySetResult();
            await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
        }

        Waits();
        var unit = new WorkUnit
        {
            Id = $"evaluate/{number}",
            Key = SampleJobs.Digest('d'),
            Kind = UnitKind.Evaluate,
            Spec = new EvaluateSpec("top1", 0, 8, 8, new(), Latency: false),
            Inputs = [],
            Profile = request.Profiles[0],
            Cost = 1,
        };
        return [new Lease(Shape(unit), new Epoch(1, number), $"local/attempts/{number}", duration) { Waited = Waited }];
    }

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken)
    {
        if (IsDeaf)
            throw new IOException("No route to host.");
        _heartbeat.TrySetResult();
        if (BreaksOff is { } failure)
            return BreakOffAsync(failure, cancellationToken);
        return Task.FromResult<IReadOnlyList<Epoch>>(IsWithdrawn ? [] : [.. heartbeat.Attempts.Select(a => a.Epoch)]);
    }

    private static async Task<IReadOnlyList<Epoch>> BreakOffAsync(Exception failure, CancellationToken cancellationToken)
    {
        var end = new TaskCompletionSource<IReadOnlyList<Epoch>>();
        using var ended = cancellationToken.Register(() => end.SetException(failure));
        return await end.Task;
    }

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
    {
        if (!Hears(outcome))
            return Task.FromResult(false);
        lock (Reported)
            Reported.Add(outcome);
        return Task.FromResult(true);
    }
}
