namespace Orchestrator.Cli.Simulating.World;

/// <summary>Code with a fate of its own: it may be paused for a while or killed, and its clock may be wrong.</summary>
internal sealed class SimulatedProcess
{
    private readonly List<Task> _held = [];
    private readonly SimulatedWorld _world;
    private TimeSpan _pausedUntil;
    private bool _dead;

    internal SimulatedProcess(SimulatedWorld world, string name, TimeSpan skew, double rate)
    {
        (_world, Name) = (world, name);
        Scheduler = new ProcessScheduler(world, this);
        Clock = new ProcessClock(world, this, skew, rate);
    }

    public string Name { get; }

    public bool IsDead => Volatile.Read(ref _dead);

    public bool IsPaused => _world.Now < _pausedUntil;

    public ProcessScheduler Scheduler { get; }

    public TimeProvider Clock { get; }

    /// <summary>Runs something there; what it awaits comes back to it.</summary>
    public Task Run(Func<Task> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, Scheduler).Unwrap();

    /// <summary>Nothing of it runs until the time is over; then all of it goes on, its timers late.</summary>
    public void Pause(TimeSpan time)
    {
        if (IsDead)
            return;
        var until = _world.Now + time;
        _pausedUntil = until > _pausedUntil ? until : _pausedUntil;
        _world.After(time, Resume);
    }

    /// <summary>No further piece of it runs. What it sent is still under way.</summary>
    public void Kill()
    {
        Volatile.Write(ref _dead, true);
        _held.Clear();
    }

    /// <summary>Whether a piece may run now; one of a paused process is kept for later.</summary>
    internal bool Admits(Task piece)
    {
        if (IsDead)
            return false;
        if (!IsPaused)
            return true;
        _held.Add(piece);
        return false;
    }

    private void Resume()
    {
        if (IsPaused)
            return;
        foreach (var piece in _held)
            _world.Queue(this, piece);
        _held.Clear();
    }
}

/// <summary>Brings everything of one process to the world's thread.</summary>
internal sealed class ProcessScheduler(SimulatedWorld world, SimulatedProcess process) : TaskScheduler
{
    public override int MaximumConcurrencyLevel => 1;

    public void Execute(Task piece) => TryExecuteTask(piece);

    protected override void QueueTask(Task task) => world.Queue(process, task);

    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    protected override IEnumerable<Task> GetScheduledTasks() => [];
}
