using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests;

public sealed class CheckpointStoreTests
{
    private const string Tenant = "local";

    private static readonly string s_key = SampleJobs.Digest('e');
    private static readonly JobScope s_scope = new(Tenant, "job", 0);

    private readonly MemoryBlobStore _blobs = new();

    private CheckpointStore Store => new(_blobs);

    [Fact]
    public async Task A_commit_is_read_back_as_it_was_written()
    {
        var record = Record(new Epoch(2, 7), 'f') with
        {
            Metrics = new UnitMetrics { Loss = 1 / 3.0, ZeroLoss = 1e-300, Rescues = [new Rescue("/conv", "dead-columns", "3 of 9")], Seconds = 0.1 },
        };
        await Store.CommitAsync(s_scope, record, CancellationToken.None);

        var read = await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None);

        Assert.Equal(CanonicalJson.Serialize(record), CanonicalJson.Serialize(read));
    }

    [Fact]
    public async Task The_first_attempt_to_commit_wins()
    {
        var first = await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);
        var second = await Store.CommitAsync(s_scope, Record(new Epoch(1, 2), 'f'), CancellationToken.None);

        Assert.Equal((true, false), (first.Ours, first.Diverged));
        Assert.Equal((false, false), (second.Ours, second.Diverged));
        Assert.Equal(new Epoch(1, 1), second.Record.Epoch);
    }

    [Fact]
    public async Task Different_bytes_for_one_key_are_noticed()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);

        var answer = await Store.CommitAsync(s_scope, Record(new Epoch(1, 2), '0'), CancellationToken.None);

        Assert.Equal((false, true), (answer.Ours, answer.Diverged));
    }

    [Fact]
    public async Task A_conflict_with_our_own_first_try_is_success()
    {
        var lossy = new FaultyBlobStore(_blobs, (n, operation, _) => n == 0 && operation == "create" ? StoreFault.LoseAnswer : StoreFault.None);
        var store = new CheckpointStore(lossy);
        var record = Record(new Epoch(1, 1), 'f');
        await Assert.ThrowsAsync<IOException>(() => store.CommitAsync(s_scope, record, CancellationToken.None));

        var answer = await store.CommitAsync(s_scope, record, CancellationToken.None);

        Assert.True(answer.Ours);
    }

    [Fact]
    public async Task A_damaged_record_is_set_aside_and_the_unit_can_be_committed_again()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);
        await _blobs.DamageAsync(BlobNames.Commit(s_scope, s_key));

        Assert.Null(await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));
        Assert.Single(await _blobs.NamesAsync("local/quarantine/"));
        Assert.True((await Store.CommitAsync(s_scope, Record(new Epoch(1, 2), 'f'), CancellationToken.None)).Ours);
    }

    [Fact]
    public async Task Only_the_damaged_attempt_is_invalidated()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 2), 'f'), CancellationToken.None);

        await Store.InvalidateAsync(s_scope, s_key, new Epoch(1, 1), CancellationToken.None);
        Assert.NotNull(await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));
        await Store.InvalidateAsync(s_scope, s_key, new Epoch(1, 2), CancellationToken.None);
        Assert.Null(await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));
    }

    [Fact]
    public async Task A_newer_schema_is_refused()
    {
        var name = BlobNames.Commit(s_scope, s_key);
        await _blobs.CreateAsync(name, SealedJson.Write(Record(new Epoch(1, 1), 'f'), CommitRecord.CurrentSchema + 1), CancellationToken.None);

        var refused = await Assert.ThrowsAsync<InputException>(() => Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));

        Assert.Equal(("store-newer", name), (refused.Code, refused.Subject));
    }

    [Fact]
    public async Task Generations_share_nothing_but_generation_zero_is_shared_by_all_jobs()
    {
        var fresh = await Store.BeginFreshAsync(Tenant, "job", CancellationToken.None);
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);

        Assert.Equal(1, fresh.Generation);
        Assert.Null(await Store.ReadCommitAsync(fresh, s_key, CancellationToken.None));
        Assert.NotNull(await Store.ReadCommitAsync(new JobScope(Tenant, "another", 0), s_key, CancellationToken.None));
        Assert.Null(await Store.ReadCommitAsync(new JobScope("stranger", "job", 0), s_key, CancellationToken.None));
        Assert.Equal(fresh, await Store.ReadScopeAsync(Tenant, "job", CancellationToken.None));
        Assert.Equal(0, (await Store.ReadScopeAsync(Tenant, "another", CancellationToken.None)).Generation);
    }

    [Fact]
    public async Task Fresh_generations_begun_at_once_are_different_ones()
    {
        const int Starters = 8;
        var scopes = await Task.WhenAll(Enumerable.Range(0, Starters).Select(_ => Task.Run(() => Store.BeginFreshAsync(Tenant, "job", CancellationToken.None))));

        Assert.Equal(Enumerable.Range(1, Starters), scopes.Select(s => s.Generation).Order());
    }

    [Fact]
    public async Task The_end_of_a_run_is_recorded_once_and_the_last_run_is_found()
    {
        Assert.Null(await Store.ReadLastEndAsync(s_scope, CancellationToken.None));
        var manifest = new Manifest("plan", null, 3, "fold");

        var first = await Store.EndAsync(s_scope, 0, JobStatus.Failed, "why", manifest, CancellationToken.None);
        var other = await Store.EndAsync(s_scope, 0, JobStatus.Succeeded, null, manifest, CancellationToken.None);
        await Store.EndAsync(s_scope, 1, JobStatus.Succeeded, null, manifest with { Units = 4 }, CancellationToken.None);
        var last = await Store.ReadLastEndAsync(s_scope, CancellationToken.None);

        Assert.Equal(first, other);
        Assert.Equal((1, JobStatus.Succeeded), (last!.Run, last.Status));
        Assert.Equal(4, (await Store.ReadManifestAsync(last, CancellationToken.None))!.Units);
    }

    [Fact]
    public async Task A_plan_is_kept_under_its_digest_and_a_damaged_copy_renewed()
    {
        var plan = SampleJobs.Plan();
        await Store.WritePlanAsync(Tenant, plan, CancellationToken.None);
        await _blobs.DamageAsync(BlobNames.Plan(Tenant, plan.ComputeJobId()));
        Assert.Null(await Store.ReadPlanAsync(Tenant, plan.ComputeJobId(), CancellationToken.None));

        await Store.WritePlanAsync(Tenant, plan, CancellationToken.None);

        Assert.Equal(plan.ComputeDigest(), (await Store.ReadPlanAsync(Tenant, plan.ComputeJobId(), CancellationToken.None))!.ComputeDigest());
    }

    [Fact]
    public async Task Grain_state_changed_by_many_at_once_loses_no_change()
    {
        const int Writers = 10;
        var states = new GrainStateStore(_blobs, Tenant);

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(() =>
            states.UpdateAsync<Counter>("scheduler", old => new Counter((old?.Value ?? 0) + 1), CancellationToken.None))));

        Assert.Equal(Writers, (await states.ReadAsync<Counter>("scheduler", CancellationToken.None))!.Value);
    }

    private static CommitRecord Record(Epoch epoch, char digit) => new(
        s_key, "layer/0/hessian", UnitKind.Statistics, epoch,
        [new UnitOutput(Roles.Hessian, new BlobRef(BlobNames.Output(BlobNames.OutputPrefix(Tenant, s_key, epoch), Roles.Hessian), SampleJobs.Digest(digit), 8))],
        new UnitMetrics());

    private sealed record Counter(int Value);
}
