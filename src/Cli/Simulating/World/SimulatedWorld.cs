namespace Orchestrator.Cli.Simulating.World;

/// <summary>
/// Virtual time, processes and the one thread that runs them all. Whatever is ready runs in an order drawn from the seed, one piece (the
/// code between two awaits) at a time; time passes only when nothing is ready. The same seed gives the same run.
/// </summary>
internal sealed class SimulatedWorld : IDisposable
{
    private readonly Random _order;
    private readonly List<(SimulatedProcess Process, Task Piece)> _ready = [];
    private readonly PriorityQueue<SimulatedTimer, (long Due, long Number)> _timers = new();
    private readonly Thread _thread = Thread.CurrentThread;
    private readonly WorldTrace _trace = new();
    private long _timersMade;
    private volatile bool _isOver;
    private volatile string? _left;

    public SimulatedWorld(ulong seed)
    {
        _order = new Random(unchecked((int)(seed ^ (seed >> 32))));
        Network = new SimulatedProcess(this, "network", TimeSpan.Zero, rate: 1);
    }

    /// <summary>Never paused or killed: what is under way between processes.</summary>
    public SimulatedProcess Network { get; }

    /// <summary>Since the world began.</summary>
    public TimeSpan Now { get; private set; }

    public long Steps { get; private set; }

    /// <summary>The first promise that was broken; the run ends with it.</summary>
    public Violation? Violation { get; private set; }

    public WorldTrace Trace => _trace;

    /// <param name="skew">How far its wall clock is ahead.</param>
    /// <param name="rate">How fast its clock runs; 1 is right.</param>
    public SimulatedProcess Start(string name, TimeSpan skew, double rate) => new(this, name, skew, rate);

    /// <summary>Tells that a promise was broken.</summary>
    public void Report(string invariant, string detail)
    {
        Violation ??= new Violation(invariant, detail, Now, Steps);
        _trace.Note(Now, "violation", $"{invariant}: {detail}");
    }

    /// <summary>Has the network do something later.</summary>
    public void After(TimeSpan delay, Action action) =>
        Network.Clock.CreateTimer(_ => action(), null, delay > TimeSpan.Zero ? delay : TimeSpan.Zero, Timeout.InfiniteTimeSpan);

    /// <summary>Runs until the condition holds, a promise is broken, or nothing happens within the time.</summary>
    /// <returns>False where neither came to pass in time.</returns>
    public bool Run(Func<bool> until, TimeSpan limit)
    {
        while (Violation is null && !until())
        {
            if (_left is { } left)
                throw new InvalidOperationException(left);
            if (_ready.Count == 0 && !PassTime(limit))
                return false;
            if (_ready.Count > 0)
                RunOne();
        }

        return true;
    }

    /// <summary>Ends the world: nothing in it runs any more.</summary>
    public void Dispose()
    {
        _isOver = true;
        _ready.Clear();
        _timers.Clear();
    }

    internal void Queue(SimulatedProcess process, Task piece)
    {
        // Finalizers of what a dead process left behind may still wake it.
        if (process.IsDead || _isOver)
            return;
        if (Thread.CurrentThread != _thread)
        {
            // Whoever brought it here swallows what is thrown, and the piece would be lost without a word.
            _left ??= $"A piece of {process.Name} left its thread; whatever sent it to the pool has to be given its scheduler. {Environment.StackTrace}";
            throw new InvalidOperationException(_left);
        }

        _ready.Add((process, piece));
    }

    internal void Queue(SimulatedTimer timer, TimeSpan due) => _timers.Enqueue(timer, (due.Ticks, _timersMade++));

    private bool PassTime(TimeSpan limit)
    {
        while (_timers.TryPeek(out var timer, out var place))
        {
            if (place.Due > limit.Ticks)
                return false;
            _timers.Dequeue();
            if (!timer.IsDue(place.Due))
                continue;
            if (place.Due > Now.Ticks)
                Now = TimeSpan.FromTicks(place.Due);
            timer.Fire();
            return true;
        }

        return false;
    }

    private void RunOne()
    {
        var at = _ready.Count == 1 ? 0 : _order.Next(_ready.Count);
        var (process, piece) = _ready[at];
        _ready[at] = _ready[^1];
        _ready.RemoveAt(_ready.Count - 1);
        if (!process.Admits(piece))
            return;
        Steps++;
        _trace.Step(process.Name);
        process.Scheduler.Execute(piece);
    }
}

/// <summary>A promise that was broken.</summary>
internal sealed record Violation(string Invariant, string Detail, TimeSpan At, long Step);
