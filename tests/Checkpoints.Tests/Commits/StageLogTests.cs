using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Commits;

public sealed class StageLogTests
{
    private const string Tenant = "local";

    private static readonly string s_stage = SampleJobs.Digest('5');
    private static readonly JobScope s_scope = new(Tenant, "job", 0);

    private readonly MemoryBlobStore _blobs = new();

    [Fact]
    public async Task What_was_committed_together_is_read_back_unit_by_unit()
    {
        var commits = Enumerable.Range(0, 20).Select(i => Commit(i, new Epoch(3, i + 1), i % 3 == 0 ? ["weights"] : ["weights", "codes"])).ToArray();
        var log = await OpenAsync();
        var answers = await log.CommitAsync(commits, CancellationToken.None);

        Assert.All(answers, a => Assert.True(a.Ours));
        Assert.Equal([BlobNames.StageRecord(s_scope, s_stage, 0)], await _blobs.NamesAsync(""));
        var read = await OpenAsync();
        foreach (var commit in commits)
        {
            var record = read[read.Find(commit.Record.Key)];
            Assert.Equal(CanonicalJson.Serialize(commit.Record with { Unit = record.Unit }), CanonicalJson.Serialize(record));
            Assert.Equal($"rows/{commit.FirstRow}-{commit.FirstRow + commit.Rows - 1}", record.Unit);
            Assert.Equal(commit.Record.Outputs[0].Blob, read.OutputOf(read.Find(commit.Record.Key), "weights"));
        }
    }

    [Fact]
    public async Task Of_two_coordinators_one_commits_and_the_other_reads_how()
    {
        var (a, b) = (await OpenAsync(), await OpenAsync());

        var first = await a.CommitAsync([Commit(1, new Epoch(1, 1)), Commit(2, new Epoch(1, 2))], CancellationToken.None);
        var second = await b.CommitAsync([Commit(2, new Epoch(2, 1)), Commit(3, new Epoch(2, 2)), Commit(1, new Epoch(2, 3), digit: '9')], CancellationToken.None);

        Assert.All(first, answer => Assert.Equal((true, false), (answer.Ours, answer.Diverged)));
        Assert.Equal([(false, false), (true, false), (false, true)], second.Select(s => (s.Ours, s.Diverged)));
        await a.RefreshAsync(CancellationToken.None);
        foreach (var log in new[] { a, b })
            Assert.Equal([new Epoch(1, 1), new Epoch(1, 2), new Epoch(2, 2)], Enumerable.Range(1, 3).Select(i => log.EpochOf(log.Find(Key(i)))));
    }

    [Fact]
    public async Task A_unit_told_twice_in_one_batch_is_committed_once()
    {
        var log = await OpenAsync();

        var answers = await log.CommitAsync([Commit(1, new Epoch(1, 1)), Commit(1, new Epoch(1, 2))], CancellationToken.None);

        Assert.Equal([true, false], answers.Select(a => a.Ours));
        Assert.Equal(1, log.Count);
    }

    [Fact]
    public async Task Many_coordinators_at_once_commit_every_unit_once_and_agree()
    {
        const int Coordinators = 4;
        const int Units = 150;
        var logs = await Task.WhenAll(Enumerable.Range(0, Coordinators).Select(async c =>
        {
            var log = await OpenAsync();
            for (var i = 0; i < Units; i++)
                await Task.Run(() => log.CommitAsync([Commit((i * 7 + c * 31) % Units, new Epoch(c + 1, i + 1))], CancellationToken.None));
            return log;
        }));

        foreach (var log in logs)
            await log.RefreshAsync(CancellationToken.None);
        Assert.All(logs, log => Assert.Equal(Units, log.Count));
        var expected = Epochs(await OpenAsync(), Units);
        Assert.All(logs, log => Assert.Equal(expected, Epochs(log, Units)));
    }

    [Fact]
    public async Task Coordinators_on_one_folder_commit_every_unit_once_and_agree()
    {
        const int Coordinators = 3;
        const int Units = StageFiles.MaxTail + 16;
        var folder = Directory.CreateTempSubdirectory("orchestrator-log-");
        try
        {
            var logs = await Task.WhenAll(Enumerable.Range(0, Coordinators).Select(c => Task.Run(async () =>
            {
                var store = new CheckpointStore(FileBlobStore.Open(folder.FullName, TimeProvider.System));
                var log = await store.OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
                for (var i = 0; i < Units; i++)
                    await log.CommitAsync([Commit((i + c * 11) % Units, new Epoch(c + 1, i + 1))], CancellationToken.None);
                return log;
            })));

            var read = await new CheckpointStore(FileBlobStore.OpenExisting(folder.FullName)).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
            Assert.Equal(Units, read.Count);
            Assert.All(logs, log => Assert.Equal(Epochs(read, Units), Epochs(log, Units)));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task Small_records_are_compacted_and_the_fold_stays_the_same()
    {
        const int Units = 3 * StageFiles.MaxTail * StageFiles.MaxTail;
        const int LogarithmOfUnits = 14;
        var log = await OpenAsync();
        for (var i = 0; i < Units; i++)
            await log.CommitAsync([Commit(i, new Epoch(1, i + 1))], CancellationToken.None);

        var read = await OpenAsync();
        Assert.Equal(Units, read.Count);
        Assert.Equal(Epochs(log, Units), Epochs(read, Units));
        Assert.InRange((await _blobs.NamesAsync("local/commits/")).Count, 1, StageFiles.MaxTail + LogarithmOfUnits + 1);
        await OnlyBoundedAsync();
    }

    [Fact]
    public async Task Twenty_thousand_units_fold_from_few_blobs_of_bounded_size()
    {
        const int Units = 20_000;
        const int Batch = 256;
        string[] roles = ["weights", "codes", "scales", "zeros"];
        var log = await OpenAsync(Units);
        for (var i = 0; i < Units; i += Batch)
            await log.CommitAsync([.. Enumerable.Range(i, Math.Min(Batch, Units - i)).Select(u => Commit(u, new Epoch(1, u + 1), roles))], CancellationToken.None);

        var operations = new FaultyBlobStore(_blobs, (_, _, _) => StoreFault.None);
        var read = await new CheckpointStore(operations).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);

        Assert.Equal(Units, read.Count);
        // Segments of about 1 MiB, a tail below the bound, the head twice, the first free number.
        var segments = Units * StageColumns.StoredBytes(roles.Length) / (StageRecord.MaxBytes / 2) + 1;
        Assert.InRange(operations.Operations, 1, segments + StageFiles.MaxTail + 3);
        await OnlyBoundedAsync();
    }

    [Fact]
    public async Task One_batch_that_is_too_large_for_a_record_becomes_several()
    {
        const int Units = 10_000;
        var log = await OpenAsync(Units);
        var answers = await log.CommitAsync([.. Enumerable.Range(0, Units).Select(u => Commit(u, new Epoch(1, u + 1), ["weights", "codes", "scales", "zeros"]))], CancellationToken.None);

        Assert.All(answers, a => Assert.True(a.Ours));
        Assert.True((await _blobs.NamesAsync("local/commits/")).Count > 1);
        await OnlyBoundedAsync();
    }

    [Fact]
    public async Task A_writer_who_slept_through_a_compaction_loses_nothing_and_doubles_nothing()
    {
        var slow = await OpenAsync();
        await slow.CommitAsync([Commit(0, new Epoch(1, 1))], CancellationToken.None);
        var fast = await OpenAsync();
        for (var i = 1; i <= 2 * StageFiles.MaxTail; i++)
            await fast.CommitAsync([Commit(i, new Epoch(2, i))], CancellationToken.None);
        Assert.Null(await _blobs.ReadAsync(BlobNames.StageRecord(s_scope, s_stage, 1), CancellationToken.None));

        // Number 1 is free again; what is written there must not count.
        var answers = await slow.CommitAsync([Commit(5, new Epoch(1, 2)), Commit(1_000, new Epoch(1, 3))], CancellationToken.None);

        Assert.Equal([false, true], answers.Select(a => a.Ours));
        var read = await OpenAsync();
        Assert.Equal((new Epoch(2, 5), new Epoch(1, 3)), (read.EpochOf(read.Find(Key(5))), read.EpochOf(read.Find(Key(1_000)))));
        Assert.Equal(2 * StageFiles.MaxTail + 2, read.Count);
    }

    [Fact]
    public async Task A_revoked_commit_counts_no_more_and_the_next_one_stands_also_after_compaction()
    {
        var log = await OpenAsync();
        await log.CommitAsync([Commit(1, new Epoch(1, 1)), Commit(2, new Epoch(1, 2))], CancellationToken.None);
        var other = await OpenAsync();

        await log.RevokeAsync(Key(1), new Epoch(9, 9), CancellationToken.None);
        Assert.True(log.Find(Key(1)) >= 0);
        await log.RevokeAsync(Key(1), new Epoch(1, 1), CancellationToken.None);
        Assert.Equal(-1, log.Find(Key(1)));
        Assert.Equal(-1, (await log.CommitAsync([Commit(1, new Epoch(1, 1))], CancellationToken.None))[0].Entry);
        await log.CommitAsync([Commit(1, new Epoch(1, 7))], CancellationToken.None);
        for (var i = 10; i < 10 + 2 * StageFiles.MaxTail; i++)
            await log.CommitAsync([Commit(i, new Epoch(2, i))], CancellationToken.None);

        await other.RefreshAsync(CancellationToken.None);
        foreach (var reader in new[] { other, await OpenAsync() })
            Assert.Equal((new Epoch(1, 7), log.Count), (reader.EpochOf(reader.Find(Key(1))), reader.Count));
    }

    /// <summary>A crash or a lost answer at every operation of a log's life: whatever was acknowledged is there, once, and the rest can be committed.</summary>
    [Theory]
    [InlineData(StoreFault.Fail)]
    [InlineData(StoreFault.LoseAnswer)]
    public async Task A_crash_at_any_operation_loses_nothing_and_doubles_nothing(StoreFault fault)
    {
        const int Units = StageFiles.MaxTail + 6;
        for (var crash = 0; ; crash++)
        {
            var blobs = new MemoryBlobStore();
            var at = crash;
            var faulty = new FaultyBlobStore(blobs, (n, _, _) => n == at ? fault : StoreFault.None);
            var acknowledged = new Dictionary<int, Epoch>();
            var crashed = false;
            try
            {
                var log = await new CheckpointStore(faulty).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
                for (var i = 0; i < Units; i++)
                {
                    if ((await log.CommitAsync([Commit(i, new Epoch(1, i + 1))], CancellationToken.None))[0].Ours)
                        acknowledged[i] = new Epoch(1, i + 1);
                    if (i == 3)
                        await log.RevokeAsync(Key(0), new Epoch(1, 1), CancellationToken.None);
                }
            }
            catch (IOException)
            {
                crashed = true;
            }

            acknowledged.Remove(0);
            var after = await new CheckpointStore(blobs).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
            foreach (var (unit, epoch) in acknowledged)
                Assert.Equal(epoch, after.EpochOf(after.Find(Key(unit))));
            await after.CommitAsync([.. Enumerable.Range(0, Units).Select(i => Commit(i, new Epoch(2, i + 1)))], CancellationToken.None);
            Assert.Equal(Units, after.Count);
            foreach (var (unit, epoch) in acknowledged)
                Assert.Equal(epoch, after.EpochOf(after.Find(Key(unit))));
            if (!crashed)
                return;
        }
    }

    /// <summary>A flipped bit, a cut and an empty file in every blob of a log, one by one: found, kept for a look, its units committed again.</summary>
    [Fact]
    public async Task Damage_in_any_part_is_found_and_only_its_units_have_to_run_again()
    {
        const int Units = 2 * StageFiles.MaxTail + 5;
        var names = await (await FilledAsync(Units)).NamesAsync("local/commits/");
        Assert.Contains(names, n => n.Contains("/seg-", StringComparison.Ordinal));
        Assert.Contains(names, n => n.EndsWith(".head", StringComparison.Ordinal));
        foreach (var name in names)
        {
            foreach (var damage in Damages.All)
            {
                var blobs = await FilledAsync(Units);
                await blobs.DamageAsync(name, damage);

                var log = await new CheckpointStore(blobs).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
                Assert.Equal(name.EndsWith(".head", StringComparison.Ordinal), log.Count == Units);
                var answers = await log.CommitAsync([.. Enumerable.Range(0, Units).Select(i => Commit(i, new Epoch(2, i + 1)))], CancellationToken.None);

                Assert.Contains(answers, a => !a.Ours);
                var read = await new CheckpointStore(blobs).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
                Assert.Equal(Units, read.Count);
                Assert.Equal(Epochs(log, Units), Epochs(read, Units));
                Assert.Empty(read.Damaged);
            }
        }
    }

    [Fact]
    public async Task A_newer_log_is_refused_and_left_alone()
    {
        var newer = SealedJson.Write(new StageRecord(s_stage, 0, 0, StageColumns.Create([], 0), []), StageRecord.CurrentSchema + 1);
        await _blobs.CreateAsync(BlobNames.StageRecord(s_scope, s_stage, 0), newer, CancellationToken.None);

        var refused = await Assert.ThrowsAsync<InputException>(() => OpenAsync());

        Assert.Equal("store-newer", refused.Code);
        Assert.Single(await _blobs.NamesAsync(""));
    }

    [Fact]
    public async Task Metrics_that_have_no_column_survive_and_equal_ones_are_stored_once()
    {
        var rescue = new Rescue("/conv", "dead-columns", new string('x', 2_000));
        var log = await OpenAsync();
        await log.CommitAsync([.. Enumerable.Range(0, 400).Select(i => Commit(i, new Epoch(1, i + 1)) with { Record = Commit(i, new Epoch(1, i + 1)).Record with { Metrics = new UnitMetrics { Loss = i, Rescues = [rescue] } } })], CancellationToken.None);

        var read = await OpenAsync();
        Assert.All(Enumerable.Range(0, 400), i => Assert.Equal((i, rescue), (read.MetricsOf(read.Find(Key(i))).Loss, read.MetricsOf(read.Find(Key(i))).Rescues!.Single())));
        Assert.InRange((await _blobs.ReadAsync(BlobNames.StageRecord(s_scope, s_stage, 0), CancellationToken.None))!.Content.Length, 1, 400 * 200 + 4_000);
    }

    private Task<StageLog> OpenAsync(int expected = 8) => new CheckpointStore(_blobs).OpenStageAsync(s_scope, s_stage, expected, CancellationToken.None);

    private static async Task<MemoryBlobStore> FilledAsync(int units)
    {
        var blobs = new MemoryBlobStore();
        var log = await new CheckpointStore(blobs).OpenStageAsync(s_scope, s_stage, units, CancellationToken.None);
        for (var i = 0; i < units; i++)
            await log.CommitAsync([Commit(i, new Epoch(1, i + 1))], CancellationToken.None);
        return blobs;
    }

    private async Task OnlyBoundedAsync()
    {
        await foreach (var entry in _blobs.ListAsync("", CancellationToken.None))
            Assert.True(entry.Length <= StageRecord.MaxBytes, $"{entry.Name}: {entry.Length}");
    }

    private static IEnumerable<Epoch> Epochs(StageLog log, int units) => Enumerable.Range(0, units).Select(i => log.EpochOf(log.Find(Key(i))));

    private static string Key(int unit) => CanonicalJson.Digest(unit);

    private static StageCommit Commit(int unit, Epoch epoch, IReadOnlyList<string>? roles = null, char digit = 'f')
    {
        var prefix = BlobNames.OutputPrefix(Tenant, Key(unit), epoch);
        var outputs = (roles ?? ["weights"]).Select((role, r) => new UnitOutput(role, new BlobRef(BlobNames.Output(prefix, role), SampleJobs.Digest(digit), 100 + r))).ToArray();
        var metrics = new UnitMetrics { Loss = unit / 3.0, ZeroLoss = unit % 2 == 0 ? null : 1e-300, Weights = unit, ZeroWeights = unit % 5 == 0 ? null : 3, Seconds = 0.1 };
        return new StageCommit(new CommitRecord(Key(unit), "unit", UnitKind.Rows, epoch, outputs, metrics), unit * 4, 4);
    }
}
