using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded.Tests;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;
using Orleans.Runtime;

namespace Orchestrator.Silo.Tests;

/// <summary>Silos and activations that end in the middle of a job: it goes on elsewhere, nothing is lost and nothing doubled.</summary>
public sealed class LossTests
{
    private static readonly string s_job = EchoJob.Plan.ComputeJobId();

    private readonly MemoryBlobStore _store = new();

    /// <summary>By turns the silos of the job, of the scheduler and of neither, at the beginning, in the middle and near the end.</summary>
    [Theory]
    [InlineData("model", 3)]
    [InlineData("scheduler", 12)]
    [InlineData("model", 20)]
    [InlineData("other", 12)]
    public async Task A_job_survives_the_death_of_a_silo(string whose, int completed)
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 3);
        await RunAsync(cluster, completed, async () =>
        {
            var holders = new[] { cluster.HolderOf(Model(cluster)), cluster.HolderOf(Scheduler(cluster)) };
            var dying = whose switch
            {
                "model" => holders[0],
                "scheduler" => holders[1],
                _ => cluster.Members.FirstOrDefault(m => !holders.Contains(m)),
            };
            await cluster.KillAsync(dying ?? cluster.Members[0]);
        });
    }

    [Fact]
    public async Task A_job_survives_silos_that_die_one_after_the_other()
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 3);
        await RunAsync(cluster, 5, async () =>
        {
            await cluster.KillAsync(cluster.Members[0]);
            await cluster.KillAsync(cluster.Members[0]);
        });
    }

    /// <summary>Orleans may end single activations: where the directory that knew them is gone, or by its rebalancing.</summary>
    [Theory]
    [InlineData("scheduler")]
    [InlineData("model")]
    [InlineData("block")]
    [InlineData("layer")]
    public async Task A_job_survives_the_loss_of_any_activation(string kind)
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 2);
        await RunAsync(cluster, completed: 12, async () => await cluster.DeactivateAsync((IAddressable)(kind switch
        {
            "scheduler" => Scheduler(cluster),
            "model" => Model(cluster),
            "block" => cluster.Members[0].Grains.GetGrain<ISiloBlockGrain>(GrainKeys.Block(EchoJob.Tenant, s_job, 0)),
            _ => cluster.Members[0].Grains.GetGrain<ISiloLayerGrain>(GrainKeys.Layer(EchoJob.Tenant, s_job, 0)),
        })));
    }

    /// <summary>A worker waits for units, or a user for the job's end, where the activation is to end: neither may keep it, and all others, waiting.</summary>
    [Fact]
    public async Task Calls_that_wait_do_not_keep_an_activation_that_is_to_end()
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 1);
        await StartAsync(cluster);
        var (scheduler, model) = (Scheduler(cluster), Model(cluster));
        var other = new LeaseRequest("other", ["other-profile"], 1);
        var waiting = Task.WhenAll(scheduler.LeaseAsync(other, CancellationToken.None), Cancelled(model.ResultAsync(CancellationToken.None)));
        var before = await scheduler.ActivationAsync(CancellationToken.None);
        await model.DescribeAsync(1, CancellationToken.None);

        await cluster.DeactivateAsync(scheduler);
        await cluster.DeactivateAsync(model);

        await waiting.WaitAsync(s_patience);
        Assert.NotEqual(before, await scheduler.ActivationAsync(CancellationToken.None).WaitAsync(s_patience));
        Assert.NotNull(await model.DescribeAsync(1, CancellationToken.None).WaitAsync(s_patience));

        static async Task Cancelled(Task waiting) => await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    /// <summary>Nobody asks for the job and no worker works for it: only its reminder can find it.</summary>
    [Fact]
    public async Task A_reminder_wakes_a_job_that_nobody_asks_for()
    {
        var woken = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var isLost = false;
        var watched = new FaultyBlobStore(_store, (_, _, name) =>
        {
            // A job that goes on reads its plan.
            if (Volatile.Read(ref isLost) && name.EndsWith("/plan.json", StringComparison.Ordinal))
                woken.TrySetResult();
            return StoreFault.None;
        });
        await using var cluster = await SiloCluster.StartAsync(watched, 2);
        await StartAsync(cluster);

        Volatile.Write(ref isLost, true);
        await cluster.DeactivateAsync(Model(cluster));

        await woken.Task.WaitAsync(s_patience);
    }

    /// <summary>Two clusters know nothing of each other: every grain of the job, and the scheduler, is active twice, as during a change of membership that goes wrong.</summary>
    [Fact]
    public async Task Two_activations_of_every_grain_do_no_harm()
    {
        await using var one = await SiloCluster.StartAsync(_store, 1);
        await using var other = await SiloCluster.StartAsync(_store, 1);
        await EchoJob.ImportAsync(_store);
        await using var workers = new EchoWorkers(_store, () => [one.Members[0].Coordinator, other.Members[0].Coordinator]).Start(2);

        var results = await Task.WhenAll(new[] { one, other }.Select(async cluster =>
        {
            var model = cluster.Members[0].Coordinator.Model(EchoJob.Tenant, s_job);
            await model.StartAsync(Start, CancellationToken.None);
            return await model.ResultAsync(CancellationToken.None);
        })).WaitAsync(s_patience);

        foreach (var result in results)
            await AssertWholeAsync(result);
    }

    /// <summary>A test that hangs has failed; far above what any of them takes.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    private static JobStart Start { get; } = new(EchoJob.Tenant, EchoJob.Plan, Fresh: false);

    /// <param name="completed">Units after which something is lost.</param>
    private async Task RunAsync(SiloCluster cluster, int completed, Func<Task> lose)
    {
        await using var workers = new EchoWorkers(_store, () => [.. cluster.Members.Select(m => m.Coordinator)]);
        var losing = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        workers.Completing = async done =>
        {
            if (done == completed)
            {
                await lose();
                losing.SetResult();
            }
        };
        await StartAsync(cluster);
        workers.Start(2);
        await losing.Task.WaitAsync(s_patience);

        var result = await cluster.Members[0].Coordinator.Model(EchoJob.Tenant, s_job).ResultAsync(CancellationToken.None).WaitAsync(s_patience);

        await AssertWholeAsync(result);
    }

    private async Task StartAsync(SiloCluster cluster)
    {
        await EchoJob.ImportAsync(_store);
        await cluster.Members[0].Coordinator.Model(EchoJob.Tenant, s_job).StartAsync(Start, CancellationToken.None);
    }

    /// <summary>The result is that of the embedded host; the store holds every unit once and nothing that is wrong.</summary>
    private async Task AssertWholeAsync(JobResult result)
    {
        var expected = await EchoJob.RunAsync(new MemoryBlobStore(), new ManualClock());
        Assert.Equal((JobStatus.Succeeded, null), (result.Status, result.Reason));
        Assert.Equal((expected.Fold, expected.Model!.Sha256), (result.Fold, result.Model!.Sha256));
        Assert.Equal(expected.Summary.Computed, result.Summary.Computed + result.Summary.Reused);
        var units = new List<string>();
        var stored = new StoredJob(new CheckpointStore(_store), new JobScope(EchoJob.Tenant, s_job, result.Job.Generation), EchoJob.Plan);
        await stored.ReadAsync(unit => units.Add(unit.Id), CancellationToken.None);
        Assert.Equal((stored.Units, expected.Fold), (stored.Committed, stored.Fold));
        Assert.Equal(units.Count, units.Distinct().Count());
        var findings = new List<Finding>();
        await new StoreVerification(_store, findings.Add).RunAsync(CancellationToken.None);
        Assert.Empty(findings);
    }

    private static ISiloModelGrain Model(SiloCluster cluster) => cluster.Members[0].Grains.GetGrain<ISiloModelGrain>(GrainKeys.Model(EchoJob.Tenant, s_job));

    private static ISiloSchedulerGrain Scheduler(SiloCluster cluster) => cluster.Members[0].Grains.GetGrain<ISiloSchedulerGrain>(GrainKeys.Scheduler);
}
