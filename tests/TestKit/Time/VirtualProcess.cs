namespace Orchestrator.TestKit.Time;

/// <summary>Code with a clock and a scheduler of its own: runs on the caller's thread, may be paused, and its clock may run too fast or too slow.</summary>
/// <param name="rate">1 is right.</param>
public sealed class VirtualProcess(double rate = 1) : TaskScheduler
{
    private readonly Queue<Task> _ready = [];
    private TimeSpan _missed;
    private bool _isPaused;

    public ManualClock Clock { get; } = new();

    /// <summary>Nothing of it runs and no timer of it fires; the time passes all the same, and whatever runs next finds it passed.</summary>
    public bool IsPaused
    {
        get => _isPaused;
        set
        {
            _isPaused = value;
            Advance(TimeSpan.Zero);
        }
    }

    public override int MaximumConcurrencyLevel => 1;

    /// <summary>Runs something there; what it awaits comes back to it.</summary>
    public Task Start(Func<Task> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, this).Unwrap();

    /// <summary>Lets time pass for all of them, in small steps, each with all that is ready then.</summary>
    public static void Pass(TimeSpan time, params IReadOnlyList<VirtualProcess> processes)
    {
        var step = TimeSpan.FromMilliseconds(100);
        Settle(processes);
        for (var passed = TimeSpan.Zero; passed < time; passed += step)
        {
            foreach (var process in processes)
                process.Advance(step);
            Settle(processes);
        }
    }

    /// <summary>Runs all that is ready.</summary>
    public static void Settle(params IReadOnlyList<VirtualProcess> processes)
    {
        // Whatever runs the tests has a context of its own, and what is awaited would go on there.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            while (processes.Any(p => p.RunReady()))
            {
            }
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    protected override void QueueTask(Task task)
    {
        lock (_ready)
            _ready.Enqueue(task);
    }

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [];

    private void Advance(TimeSpan step)
    {
        _missed += step * rate;
        if (IsPaused)
            return;
        Clock.Advance(_missed);
        _missed = TimeSpan.Zero;
    }

    private bool RunReady()
    {
        var any = false;
        while (!IsPaused)
        {
            Task? task;
            lock (_ready)
            {
                if (!_ready.TryDequeue(out task))
                    break;
            }

            TryExecuteTask(task);
            any = true;
        }

        return any;
    }
}
