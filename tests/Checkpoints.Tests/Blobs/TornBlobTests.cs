using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Checkpoints.Tests.Blobs;

/// <summary>Blobs cut at every byte, as a disk that is not crash-safe leaves them: found on read, whatever they are.</summary>
public sealed class TornBlobTests
{
    private const string Tenant = "local";

    [Fact]
    public void A_document_cut_at_any_byte_counts_as_none()
    {
        const int Schema = 1;
        var plan = SampleJobs.Plan();
        var record = new CommitRecord(SampleJobs.Digest('1'), "unit", UnitKind.Select, new Epoch(1, 2), [], new UnitMetrics());
        ExpectNone(SealedJson.Write(record, CommitRecord.CurrentSchema), content => SealedJson.Read<CommitRecord>("commit", content, CommitRecord.CurrentSchema));
        ExpectNone(SealedJson.Write(new StageHead(3, []), StageHead.CurrentSchema), content => SealedJson.Read<StageHead>("head", content, StageHead.CurrentSchema));
        ExpectNone(SealedJson.Write(new Counter(7), Schema), content => SealedJson.Read<Counter>("state", content, Schema));
        ExpectNone(SealedJson.Write(plan, Jobs.Plans.JobPlan.CurrentSchema), content => SealedJson.Read<Jobs.Plans.JobPlan>("plan", content, Jobs.Plans.JobPlan.CurrentSchema));
    }

    [Fact]
    public async Task A_tensor_cut_at_any_byte_is_told_as_damaged()
    {
        byte[] content = [1, 2, 3, 4, 5, 6, 7];
        var whole = await new TensorBlobs(new MemoryBlobStore()).WriteAsync($"{Tenant}/x", content, CancellationToken.None);
        for (var length = 0; length < content.Length; length++)
        {
            var store = new MemoryBlobStore();
            await store.CreateAsync(whole.Name, content.AsMemory(0, length), CancellationToken.None);
            var blobs = new TensorBlobs(store);

            Assert.Equal(whole, (await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.ReadAsync(whole, CancellationToken.None))).Blob);
            await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.CopyAsync(whole, Stream.Null, CancellationToken.None));
        }
    }

    [Fact]
    public async Task A_state_cut_at_any_byte_is_counted_anew_and_a_generation_is_refused()
    {
        var sound = new MemoryBlobStore();
        await new GrainStateStore(sound, "writer").UpdateAsync<Counter>(Tenant, "g", old => new Counter((old?.Value ?? 0) + 5), CancellationToken.None);
        await new CheckpointStore(sound).BeginFreshAsync(Tenant, "job", CancellationToken.None);
        var (state, generation) = (BlobNames.GrainState(Tenant, "g"), BlobNames.GenerationHead(Tenant, "job"));
        foreach (var name in new[] { state, generation })
        {
            var content = (await sound.ReadAsync(name, CancellationToken.None))!.Content;
            for (var length = 0; length < content.Length; length++)
            {
                var store = new MemoryBlobStore();
                await store.ReplaceAsync(name, content[..length], null, CancellationToken.None);
                if (name == state)
                {
                    var counted = await new GrainStateStore(store, "writer").UpdateAsync<Counter>(Tenant, "g", old => new Counter((old?.Value ?? 0) + 1), CancellationToken.None);
                    Assert.Equal(1, counted.Value);
                    continue;
                }

                var refused = await Assert.ThrowsAsync<InputException>(() => new CheckpointStore(store).ReadScopeAsync(Tenant, "job", CancellationToken.None));
                Assert.Equal(("store-damaged", generation), (refused.Code, refused.Subject));
            }
        }
    }

    private static void ExpectNone<T>(byte[] content, Func<ReadOnlyMemory<byte>, T?> read)
        where T : class
    {
        Assert.NotNull(read(content));
        for (var length = 0; length < content.Length; length++)
            Assert.Null(read(content.AsMemory(0, length)));
    }

    private sealed record Counter(int Value);
}
