using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests;

public sealed class UnitStatesTests
{
    private static readonly string s_key = SampleJobs.Digest('a');

    private readonly MemoryBlobStore _store = new();

    private UnitStates States => new(_store, "local", s_key, 0);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(17)]
    [InlineData(64)]
    public async Task The_newest_is_found_however_many_there_are(int count)
    {
        await WriteAsync(count);

        var newest = await States.ReadNewestAsync(CancellationToken.None);

        Assert.Equal(count == 0 ? null : count, newest?.Number);
        Assert.Equal(count == 0 ? null : [(byte)count, 1, 2], newest?.Content.ToArray());
    }

    [Fact]
    public async Task A_damaged_one_is_passed_over_and_can_be_written_past()
    {
        await WriteAsync(3);
        await _store.DamageAsync(NameOf(3));
        await _store.DamageAsync(NameOf(2));
        Assert.Equal(1, (await States.ReadNewestAsync(CancellationToken.None))!.Value.Number);

        await States.WriteAsync(new UnitState(2, new byte[3]), CancellationToken.None);
        await States.WriteAsync(new UnitState(3, new byte[3]), CancellationToken.None);
        await States.WriteAsync(new UnitState(4, new byte[3]), CancellationToken.None);

        Assert.Equal(4, (await States.ReadNewestAsync(CancellationToken.None))!.Value.Number);
    }

    [Fact]
    public async Task A_worker_whose_lease_has_ended_changes_nothing_by_writing_on()
    {
        await WriteAsync(4);

        await States.WriteAsync(new UnitState(2, new byte[] { 9, 9 }), CancellationToken.None);

        Assert.Equal(4, (await States.ReadNewestAsync(CancellationToken.None))!.Value.Number);
        Assert.Equal(UnitStates.Open((await _store.ReadAsync(NameOf(2), CancellationToken.None))!.Content)!.Value.ToArray(), [2, 1, 2]);
    }

    [Fact]
    public async Task A_fresh_start_and_another_tenant_have_states_of_their_own()
    {
        await WriteAsync(2);

        Assert.Null(await new UnitStates(_store, "local", s_key, 1).ReadNewestAsync(CancellationToken.None));
        Assert.Null(await new UnitStates(_store, "other", s_key, 0).ReadNewestAsync(CancellationToken.None));
    }

    [Fact]
    public void What_a_newer_version_wrote_or_is_too_short_is_no_state()
    {
        Assert.Null(UnitStates.Open(ReadOnlyMemory<byte>.Empty));
        Assert.Null(UnitStates.Open(new byte[35]));
        byte[] newer = [2, 0, 0, 0, 5];
        Assert.Null(UnitStates.Open((byte[])[.. newer, .. System.Security.Cryptography.SHA256.HashData(newer)]));
        byte[] known = [1, 0, 0, 0, 5];
        Assert.Equal([5], UnitStates.Open((byte[])[.. known, .. System.Security.Cryptography.SHA256.HashData(known)])!.Value.ToArray());
    }

    [Fact]
    public async Task They_are_garbage_when_their_unit_is_committed_and_not_before()
    {
        await WriteAsync(2);
        Assert.Empty(await GarbageAsync());

        var record = new CommitRecord(s_key, "reconstruct/weights/0", UnitKind.Reconstruct, new Epoch(1, 1), [], new UnitMetrics());
        await new CheckpointStore(_store).CommitAsync(new JobScope("local", "job", 0), record, CancellationToken.None);

        Assert.Equal([NameOf(1), NameOf(2)], await GarbageAsync());
    }

    [Fact]
    public async Task Verification_finds_a_damaged_one()
    {
        await WriteAsync(2);
        await _store.DamageAsync(NameOf(1));
        var found = new List<Finding>();

        await new StoreVerification(_store, found.Add).RunAsync(CancellationToken.None);

        Assert.Equal((FindingKind.Damaged, NameOf(1)), (Assert.Single(found).Kind, found[0].Name));
    }

    private static string NameOf(int number) => BlobNames.State(BlobNames.StatePrefix("local", s_key), 0, number);

    private async Task WriteAsync(int count)
    {
        for (var number = 1; number <= count; number++)
            await States.WriteAsync(new UnitState(number, new byte[] { (byte)number, 1, 2 }), CancellationToken.None);
    }

    private async Task<List<string>> GarbageAsync()
    {
        var names = new List<string>();
        await foreach (var garbage in new StoreGarbage(_store, DateTimeOffset.MaxValue).FindAsync(CancellationToken.None))
            names.Add(garbage.Blob.Name);
        return names;
    }
}
