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
    public async Task A_damaged_record_is_revoked_and_the_unit_can_be_committed_again()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);
        await _blobs.DamageAsync(BlobNames.Commit(s_scope, s_key));

        Assert.Null(await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));
        Assert.True((await Store.CommitAsync(s_scope, Record(new Epoch(1, 2), 'f'), CancellationToken.None)).Ours);
        Assert.Equal(new Epoch(1, 2), (await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None))!.Epoch);
    }

    [Fact]
    public async Task A_commit_that_was_unreadable_once_stays_revoked()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);
        var name = BlobNames.Commit(s_scope, s_key);
        var flaky = new CheckpointStore(new HookedReads(_blobs, (read, blob) => Task.FromResult(read == name ? blob! with { Content = blob.Content[..^1] } : blob)));

        Assert.Null(await flaky.ReadCommitAsync(s_scope, s_key, CancellationToken.None));

        // Whoever reads it soundly later must not disagree with those who ran the unit again meanwhile.
        Assert.Null(await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None));
    }

    [Fact]
    public async Task Whoever_finds_the_same_output_damaged_later_does_not_take_the_new_commit_away()
    {
        await Store.CommitAsync(s_scope, Record(new Epoch(1, 1), 'f'), CancellationToken.None);
        // Stops the slow one behind each of its reads in turn, and lets the other repair everything meanwhile.
        for (var at = 0; at < 4; at++)
        {
            var (round, reads) = (new Epoch(2, at), 0);
            var standing = (await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None))!.Epoch;
            var slow = new HookedReads(_blobs, async (_, blob) =>
            {
                if (reads++ == at)
                {
                    await Store.InvalidateAsync(s_scope, s_key, standing, CancellationToken.None);
                    Assert.True((await Store.CommitAsync(s_scope, Record(round, 'f'), CancellationToken.None)).Ours);
                }

                return blob;
            });

            await new CheckpointStore(slow).InvalidateAsync(s_scope, s_key, standing, CancellationToken.None);

            Assert.True(reads > at);
            Assert.Equal(round, (await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None))!.Epoch);
        }
    }

    [Fact]
    public async Task Ends_and_plans_that_are_damaged_are_written_anew_beside_them()
    {
        var manifest = new Manifest("plan", null, 3, "fold");
        await Store.EndAsync(s_scope, 0, JobStatus.Failed, "why", manifest, CancellationToken.None);
        await _blobs.DamageAsync(BlobNames.End(s_scope, 0));
        Assert.Null(await Store.ReadLastEndAsync(s_scope, CancellationToken.None));

        var renewed = await Store.EndAsync(s_scope, 0, JobStatus.Succeeded, null, manifest, CancellationToken.None);
        var late = await Store.EndAsync(s_scope, 0, JobStatus.Failed, "why", manifest, CancellationToken.None);

        Assert.Equal((JobStatus.Succeeded, renewed), (renewed.Status, late));
        Assert.Equal(renewed, await Store.ReadLastEndAsync(s_scope, CancellationToken.None));
        Assert.Equal(2, (await _blobs.NamesAsync(BlobNames.Ends(s_scope))).Count);
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
        var states = new GrainStateStore(_blobs, "writer");

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(() =>
            states.UpdateAsync<Counter>(Tenant, "scheduler", old => new Counter((old?.Value ?? 0) + 1), CancellationToken.None))));

        Assert.Equal(Writers, (await states.ReadAsync<Counter>(Tenant, "scheduler", CancellationToken.None))!.Value);
    }

    [Fact]
    public async Task Two_processes_that_write_the_same_state_at_once_both_count()
    {
        // The slow one reads, the fast one writes exactly what the slow one is about to write.
        var (fast, reads) = (new GrainStateStore(_blobs, "fast"), 0);
        var slow = new GrainStateStore(new HookedReads(_blobs, async (_, blob) =>
        {
            if (reads++ == 0)
                await fast.UpdateAsync<Counter>(Tenant, "scheduler", Next, CancellationToken.None);
            return blob;
        }), "slow");

        var second = await slow.UpdateAsync<Counter>(Tenant, "scheduler", Next, CancellationToken.None);

        Assert.Equal(2, second.Value);

        static Counter Next(Counter? old) => new((old?.Value ?? 0) + 1);
    }

    [Fact]
    public async Task A_state_whose_writing_was_not_answered_is_changed_once_though_another_process_wrote_on_top()
    {
        var (other, replaced) = (new GrainStateStore(_blobs, "other"), 0);
        var unanswered = new HookedReads(_blobs, async (_, blob) =>
        {
            // The first read is of no state; between the write that is lost and the second read another one writes.
            if (replaced++ == 1)
                await other.UpdateAsync<Counter>(Tenant, "scheduler", Next, CancellationToken.None);
            return await _blobs.ReadAsync(BlobNames.GrainState(Tenant, "scheduler"), CancellationToken.None);
        });
        var lossy = new FaultyBlobStore(unanswered, (n, operation, _) => operation == "replace" && n == 1 ? StoreFault.LoseAnswer : StoreFault.None);
        var retrying = new RetryingBlobStore(lossy, new StoreRetryOptions(3, TimeSpan.Zero, TimeSpan.Zero), TimeProvider.System, () => 0.5);

        var ours = await new GrainStateStore(retrying, "writer").UpdateAsync<Counter>(Tenant, "scheduler", Next, CancellationToken.None);

        Assert.Equal(1, ours.Value);
        Assert.Equal(2, (await other.ReadAsync<Counter>(Tenant, "scheduler", CancellationToken.None))!.Value);

        static Counter Next(Counter? old) => new((old?.Value ?? 0) + 1);
    }

    [Fact]
    public async Task A_state_whose_writing_was_not_answered_is_changed_once()
    {
        var lost = false;
        var lossy = new FaultyBlobStore(_blobs, (_, operation, _) => operation == "replace" && !lost && (lost = true) ? StoreFault.LoseAnswer : StoreFault.None);
        var retrying = new RetryingBlobStore(lossy, new StoreRetryOptions(3, TimeSpan.Zero, TimeSpan.Zero), TimeProvider.System, () => 0.5);

        var state = await new GrainStateStore(retrying, "writer").UpdateAsync<Counter>(Tenant, "scheduler", old => new Counter((old?.Value ?? 0) + 1), CancellationToken.None);

        Assert.True(lost);
        Assert.Equal(1, state.Value);
        Assert.Equal(1, (await new GrainStateStore(_blobs, "other").ReadAsync<Counter>(Tenant, "scheduler", CancellationToken.None))!.Value);
    }

    private static CommitRecord Record(Epoch epoch, char digit) => new(
        s_key, "layer/0/hessian", UnitKind.Statistics, epoch,
        [new UnitOutput(Roles.Hessian, new BlobRef(BlobNames.Output(BlobNames.OutputPrefix(Tenant, s_key, epoch), Roles.Hessian), SampleJobs.Digest(digit), 8))],
        new UnitMetrics());

    private sealed record Counter(int Value);

    /// <summary>Whatever is read comes back as a function says, and when it says so.</summary>
    private sealed class HookedReads(MemoryBlobStore inner, Func<string, Blob?, Task<Blob?>> hook) : IBlobStore
    {
        public async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => await hook(name, await inner.ReadAsync(name, cancellationToken));

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

        public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.CreateAsync(name, content, cancellationToken);

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) => inner.CreateAsync(name, write, cancellationToken);

        public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => inner.ReplaceAsync(name, content, etag, cancellationToken);

        public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);

        public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);
    }
}
