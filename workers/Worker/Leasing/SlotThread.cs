using System.Collections.Concurrent;

namespace Orchestrator.Worker.Leasing;

/// <summary>What a slot computes on.</summary>
public interface ISlot : IDisposable
{
    /// <summary>Runs work and everything it awaits there.</summary>
    public Task<T> RunAsync<T>(Func<Task<T>> work);
}

/// <summary>
/// A thread of its own for one slot: units compute for seconds without a pause, and on the pool they would starve heartbeats and the
/// coordinator of threads. Continuations of the unit's awaits come back to it.
/// </summary>
internal sealed class SlotThread : TaskScheduler, ISlot
{
    private readonly BlockingCollection<Task> _tasks = [];

    public SlotThread(string name) => new Thread(Run) { Name = name, IsBackground = true }.Start();

    public override int MaximumConcurrencyLevel => 1;

    public Task<T> RunAsync<T>(Func<Task<T>> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this).Unwrap();

    /// <summary>Starts what other slots may wait for, too: on a slot's thread it would stand still for as long as that slot computes.</summary>
    public static void StartShared(Func<Task> work) => _ = Current is SlotThread ? Task.Run(work) : work();

    /// <summary>Lets the thread end when its work is done.</summary>
    public void Dispose() => _tasks.CompleteAdding();

    protected override void QueueTask(Task task) => _tasks.Add(task);

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [.. _tasks];

    private void Run()
    {
        foreach (var task in _tasks.GetConsumingEnumerable())
            TryExecuteTask(task);
        _tasks.Dispose();
    }
}
