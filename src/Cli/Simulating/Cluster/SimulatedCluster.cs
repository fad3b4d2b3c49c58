using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>Coordinators, workers and one store, and what befalls them.</summary>
internal sealed class SimulatedCluster
{
    private readonly SimulatedShape _shape;
    private SimulationHooks _hooks;
    private readonly Dictionary<string, JobResult> _results = new(StringComparer.Ordinal);
    private readonly List<SimulatedProcess> _workers = [];
    private readonly List<SimulatedCoordinator> _coordinators = [];
    private int _processes;

    /// <param name="expected">What each job has to come to; null in the run that finds it out.</param>
    public SimulatedCluster(SimulatedWorld world, SimulatedShape shape, FaultPlan faults, SimulationHooks hooks, IReadOnlyDictionary<string, SimulatedOutcome>? expected)
    {
        (World, _shape, Faults, _hooks, Expected) = (world, shape, faults, hooks, expected);
        Witness = new Witness(world);
        Truth = new SimulatedTruth(world, Witness, faults, shape.Damage);
    }

    public SimulatedWorld World { get; }

    public FaultPlan Faults { get; }

    public Witness Witness { get; }

    public SimulatedTruth Truth { get; }

    public IReadOnlyDictionary<string, SimulatedOutcome>? Expected { get; }

    /// <summary>Where workers turn to; null while there is none.</summary>
    public SimulatedCoordinator? Coordinator { get; private set; }

    public IReadOnlyDictionary<string, JobResult> Results => _results;

    public IReadOnlyList<string> JobIds => [.. _shape.Jobs.Select(j => j.Id)];

    public bool HaveAllSucceeded => _shape.Jobs.All(j => _results.TryGetValue(j.Id, out var result) && result.Status == JobStatus.Succeeded);

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
        var scheduler = new SimulatedSchedulerLink(World, process, () => Coordinator, Faults);
        var worker = new WorkerLoop(
            scheduler, new StubRunner(process.Clock, Faults, _shape.Failures, process.Name), new TensorBlobs(store), options, process.Clock, new WorkerMeans { Slots = _ => new SimulatedSlot(process) });
        _ = process.Run(async () =>
        {
            try
            {
                await worker.RunAsync(CancellationToken.None);
            }
            catch (Exception cause)
            {
                World.Report("workers do not fail", cause.ToString());
            }
        });
    }

    /// <summary>Kills everything; only the store is left, and whoever comes next makes no mistake of a test's.</summary>
    public void KillAll()
    {
        _hooks = SimulationHooks.None;
        foreach (var worker in _workers)
            worker.Kill();
        foreach (var coordinator in _coordinators)
            coordinator.Process.Kill();
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
        if (Coordinator is null)
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
