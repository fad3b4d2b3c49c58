using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Servers;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>Coordinators, workers and one store, and what befalls them.</summary>
internal sealed class SimulatedCluster
{
    private static readonly TimeSpan s_watch = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_grace = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan s_restart = TimeSpan.FromSeconds(5);

    private readonly SimulatedShape _shape;
    private SimulationHooks _hooks;
    private readonly Dictionary<string, JobResult> _results = new(StringComparer.Ordinal);
    private readonly List<SimulatedProcess> _workers = [];
    private readonly List<SimulatedCoordinator> _coordinators = [];
    private readonly SortedDictionary<string, SimulatedServer> _servers = new(StringComparer.Ordinal);
    private readonly Dictionary<SimulatedProcess, Action> _drains = [];
    private readonly List<SimulatedProcess> _others = [];
    private int _processes;
    private bool _isServed;

    /// <param name="expected">What each job has to come to; null in the run that finds it out.</param>
    public SimulatedCluster(SimulatedWorld world, SimulatedShape shape, FaultPlan faults, SimulationHooks hooks, IReadOnlyDictionary<string, SimulatedOutcome>? expected)
    {
        (World, _shape, Faults, _hooks, Expected) = (world, shape, faults, hooks, expected);
        Witness = new Witness(world);
        Truth = new SimulatedTruth(world, Witness, faults, shape.Damage);
        _isServed = shape.Servers > 0;
        Addresses = [.. Enumerable.Range(1, shape.Servers).Select(i => new Uri($"http://server-{i}/"))];
    }

    public SimulatedWorld World { get; }

    public FaultPlan Faults { get; }

    public Witness Witness { get; }

    public SimulatedTruth Truth { get; }

    public IReadOnlyDictionary<string, SimulatedOutcome>? Expected { get; }

    /// <summary>Where workers turn to; null while there is none.</summary>
    public SimulatedCoordinator? Coordinator { get; private set; }

    /// <summary>Of all servers, running or not.</summary>
    public IReadOnlyList<Uri> Addresses { get; }

    /// <summary>Those that were started last at each address.</summary>
    public IEnumerable<SimulatedServer> Servers => _servers.Values;

    public IReadOnlyDictionary<string, JobResult> Results => _results;

    public IReadOnlyList<string> JobIds => [.. _shape.Jobs.Select(j => j.Id)];

    public bool HaveAllSucceeded => _shape.Jobs.All(j => _results.TryGetValue(j.Id, out var result) && result.Status == JobStatus.Succeeded);

    /// <summary>Starts everything.</summary>
    public void Start()
    {
        if (_isServed)
        {
            foreach (var address in Addresses)
                StartServer(address);
            foreach (var job in _shape.Jobs)
                StartUser(job);
            Watch();
        }
        else
        {
            StartCoordinator();
        }

        StartWorkers();
    }

    /// <summary>Nothing happens where one runs at the address.</summary>
    public void StartServer(Uri address)
    {
        if (!_isServed || ServerAt(address) is { Process.IsDead: false })
            return;
        var process = Spawn("server");
        _others.Add(process);
        _servers[address.Host] = new SimulatedServer(this, process, address, _hooks);
    }

    public SimulatedServer? ServerAt(Uri address) => _servers.GetValueOrDefault(address.Host);

    /// <summary>At any moment of true time one server acts at most.</summary>
    public void CheckActive()
    {
        var acting = _servers.Values.Where(s => s.IsActing).ToArray();
        if (acting.Length > 1)
            World.Report("one server acts at a time", string.Join(" and ", acting.Select(s => $"{s.Process.Name} in term {s.Node.TryActive()?.Tenure.Term}")));
    }

    public void StartCoordinator()
    {
        var process = Spawn("coordinator");
        Coordinator = new SimulatedCoordinator(this, process, _hooks);
        _coordinators.Add(Coordinator);
        foreach (var job in _shape.Jobs)
            _ = Coordinator.DriveAsync(job);
    }

    public void StartWorkers()
    {
        for (var i = 0; i < _shape.Workers; i++)
            StartWorker();
    }

    public void StartWorker()
    {
        var process = Spawn("worker");
        _workers.Add(process);
        var link = new SimulatedStoreLink(World, process, Truth, Faults);
        var store = new RetryingBlobStore(link, StoreRetryOptions.Default, process.Clock, new Dice(5, process.Name).NextDouble);
        var options = WorkerOptions.Create(process.Name, SimulatedJob.Profile, _shape.Slots);
        var worker = new WorkerLoop(
            Scheduler(process), new StubRunner(process.Clock, Faults, _shape.Failures, process.Name), new TensorBlobs(_hooks.WorkerStore(store)), options, process.Clock, new WorkerMeans { Slots = _ => new SimulatedSlot(process) });
        var (drain, handBack) = (new CancellationTokenSource(), new CancellationTokenSource());
        _drains[process] = () => Drain(process, drain, handBack);
        _ = process.Run(async () =>
        {
            try
            {
                await worker.RunAsync(drain.Token, handBack.Token);
                World.After(s_restart, () => Replace(process));
            }
            catch (Exception cause)
            {
                World.Report("workers do not fail", cause.ToString());
            }
        });
    }

    /// <summary>A worker takes no more units, ends those that it has or hands them back after a while, and another one starts.</summary>
    public void DrainWorker(Dice dice)
    {
        if (SomeWorker(dice) is { } worker && _drains.Remove(worker, out var drain))
            drain();
    }

    /// <summary>Kills everything; only the store is left, and whoever comes next makes no mistake of a test's.</summary>
    public void KillAll()
    {
        _hooks = SimulationHooks.None;
        foreach (var worker in _workers)
            worker.Kill();
        foreach (var coordinator in _coordinators)
            coordinator.Process.Kill();
        foreach (var other in _others)
            other.Kill();
        _servers.Clear();
        _isServed = false;
        // Whoever comes next is asked to run the jobs.
        foreach (var job in _shape.Jobs)
            Witness.MayCommit(job.Owner);
        Coordinator = null;
        _results.Clear();
    }

    /// <summary>A living worker, drawn.</summary>
    public SimulatedProcess? SomeWorker(Dice dice)
    {
        var alive = _workers.Where(w => !w.IsDead).ToArray();
        return alive.Length == 0 ? null : alive[dice.Next(alive.Length)];
    }

    public void CoordinatorDied(SimulatedCoordinator coordinator, string reason)
    {
        World.Trace.Note(World.Now, coordinator.Process.Name, $"died: {reason}");
        coordinator.Process.Kill();
        CoordinatorGone(coordinator);
        World.After(TimeSpan.FromSeconds(3), StartCoordinatorIfNone);
    }

    public void CoordinatorGone(SimulatedCoordinator coordinator)
    {
        if (Coordinator == coordinator)
            Coordinator = null;
    }

    public void StartCoordinatorIfNone()
    {
        foreach (var address in Addresses)
            StartServer(address);
        if (!_isServed && Coordinator is null)
            StartCoordinator();
    }

    internal void Ended(SimulatedJob job, JobResult result)
    {
        World.Trace.Note(World.Now, "job", $"{job.Id} {result.Status} {result.Reason}");
        if (!_results.TryGetValue(job.Id, out var earlier) || earlier.Status != JobStatus.Succeeded)
            _results[job.Id] = result;
        if (Expected is not null)
            Witness.Ended(result, Expected[job.Id]);
    }

    private void StartUser(SimulatedJob job)
    {
        var process = Spawn("user");
        _others.Add(process);
        _ = process.Run(new SimulatedUser(this, process, job).RunAsync);
    }

    private void Watch()
    {
        CheckActive();
        World.After(s_watch, Watch);
    }

    private IWorkerScheduler Scheduler(SimulatedProcess process)
    {
        if (!_isServed)
            return new SimulatedSchedulerLink(World, process, () => Coordinator, Faults);
        var registration = new WorkerRegistration(process.Name, _shape.Slots, [SimulatedJob.Profile], [new WorkerDevice("cpu", "simulated", null)], "simulated");
        return new HttpScheduler(new SimulatedHttp(World, process, ServerAt, Faults), Addresses, null, registration, (_, _) => { }, process.Clock);
    }

    private void Drain(SimulatedProcess process, CancellationTokenSource drain, CancellationTokenSource handBack)
    {
        Cancel(process, drain);
        World.After(s_grace, () => Cancel(process, handBack));
    }

    private static void Cancel(SimulatedProcess process, CancellationTokenSource source) => _ = process.Run(() =>
    {
        // Not its asynchronous form, which would leave the process.
        source.Cancel();
        return Task.CompletedTask;
    });

    private void Replace(SimulatedProcess process)
    {
        process.Kill();
        StartWorker();
    }

    private SimulatedProcess Spawn(string kind)
    {
        var name = $"{kind}-{++_processes}";
        var dice = new Dice(_shape.Seed, name);
        var wrong = Faults.Strike("clock", _shape.WrongClocks);
        var skew = wrong?.Between(-900, 900) ?? TimeSpan.Zero;
        // Far beyond what quartz does, and well within a lease's margin.
        var rate = wrong is null ? 1 : 1 + (dice.NextDouble() - 0.5) * 0.02;
        World.Trace.Note(World.Now, name, "starts");
        return World.Start(name, skew, rate);
    }

    private sealed class SimulatedSlot(SimulatedProcess process) : ISlot
    {
        public Task<T> RunAsync<T>(Func<Task<T>> work) =>
            Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.DenyChildAttach, process.Scheduler).Unwrap();

        public void Dispose()
        {
            // The process owns everything.
        }
    }
}
