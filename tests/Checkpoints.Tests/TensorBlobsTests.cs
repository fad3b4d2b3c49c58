using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests;

public sealed class TensorBlobsTests
{
    private const string Name = "local/attempts/x";

    private static readonly byte[] s_content = [1, 2, 3, 4, 5];

    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task Digest_and_length_are_those_of_the_content_however_it_was_written()
    {
        var blobs = new TensorBlobs(_store);
        var whole = await blobs.WriteAsync(Name, s_content, CancellationToken.None);
        var pieces = await blobs.WriteAsync($"{Name}2", async (stream, token) =>
        {
            await stream.WriteAsync(s_content.AsMemory(0, 2), token);
            stream.Write(s_content.AsSpan(2));
        }, CancellationToken.None);

        Assert.Equal((whole.Sha256, whole.Length), (pieces.Sha256, pieces.Length));
        Assert.Equal("74f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25d5e5a3936ff3dcec60d0", whole.Sha256);
        Assert.Equal(s_content, (await blobs.ReadAsync(pieces, CancellationToken.None)).ToArray());
    }

    [Fact]
    public async Task A_flipped_bit_and_a_missing_blob_are_noticed_on_every_way_out()
    {
        var blobs = new TensorBlobs(_store);
        var damaged = await blobs.WriteAsync(Name, s_content, CancellationToken.None);
        await _store.DamageAsync(Name);

        foreach (var blob in new[] { damaged, new BlobRef("local/none", SampleJobs.Digest('0'), 1) })
        {
            var noticed = await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.ReadAsync(blob, CancellationToken.None));
            await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.CopyAsync(blob, Stream.Null, CancellationToken.None));
            Assert.Equal(blob, noticed.Blob);
        }
    }

    [Fact]
    public async Task Our_own_write_whose_answer_was_lost_is_recognized()
    {
        var lossy = new FaultyBlobStore(_store, (n, _, _) => n == 0 ? StoreFault.LoseAnswer : StoreFault.None);
        var blobs = new TensorBlobs(lossy);
        await Assert.ThrowsAsync<IOException>(() => blobs.WriteAsync(Name, s_content, CancellationToken.None));

        Assert.Equal(s_content.Length, (await blobs.WriteAsync(Name, s_content, CancellationToken.None)).Length);
        await Assert.ThrowsAsync<IOException>(() => blobs.WriteAsync(Name, new byte[3], CancellationToken.None));
    }

    [Fact]
    public async Task A_file_that_is_not_what_was_announced_is_not_imported()
    {
        var blobs = new TensorBlobs(_store);

        await Assert.ThrowsAsync<IOException>(() => blobs.ImportAsync("local", SampleJobs.Digest('0'), s_content.Length, () => new MemoryStream(s_content), CancellationToken.None));

        Assert.Empty(await _store.NamesAsync(""));
    }
}
