using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Stores;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests.Caching;

public sealed class BlobCacheTests
{
    private const int BlobBytes = 100;

    [Fact]
    public async Task A_blob_is_read_once_however_many_slots_want_it()
    {
        var store = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.None);
        var blobs = new TensorBlobs(store);
        var blob = await blobs.WriteAsync("local/x", new byte[BlobBytes], CancellationToken.None);
        var cache = new BlobCache(maxBytes: BlobBytes);
        var before = store.Operations;

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => cache.ReadAsync(blob, wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None)));

        Assert.Equal(1, store.Operations - before);
    }

    [Fact]
    public async Task The_least_recently_used_blob_makes_room()
    {
        var store = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.None);
        var blobs = new TensorBlobs(store);
        var refs = new List<BlobRef>();
        for (byte i = 0; i < 3; i++)
            refs.Add(await blobs.WriteAsync($"local/{i}", Enumerable.Repeat(i, BlobBytes).ToArray(), CancellationToken.None));
        var cache = new BlobCache(maxBytes: 2 * BlobBytes);
        foreach (var i in new[] { 0, 1, 0, 2 })
            await cache.ReadAsync(refs[i], wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None);
        var before = store.Operations;

        await cache.ReadAsync(refs[0], wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None);
        await cache.ReadAsync(refs[2], wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None);
        Assert.Equal(0, store.Operations - before);
        await cache.ReadAsync(refs[1], wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None);
        Assert.Equal(1, store.Operations - before);
    }

    [Fact]
    public async Task A_blob_for_one_unit_leaves_the_others_where_they_are()
    {
        var store = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.None);
        var blobs = new TensorBlobs(store);
        var shared = await blobs.WriteAsync("local/shared", new byte[BlobBytes], CancellationToken.None);
        var own = await blobs.WriteAsync("local/own", Enumerable.Repeat((byte)1, BlobBytes).ToArray(), CancellationToken.None);
        using var context = new UnitContext(new InputBlobs(BlobBytes, null), blobs, new UnitStates(store, "local", new string('a', 64), 0), "local/attempt");
        await context.ReadAsync(shared, CancellationToken.None);

        Assert.Equal(1, (await context.ReadOnceAsync(own, CancellationToken.None)).Span[0]);
        var before = store.Operations;
        await context.ReadAsync(shared, CancellationToken.None);
        Assert.Equal(0, store.Operations - before);
    }

    [Fact]
    public async Task A_failed_read_is_not_remembered()
    {
        var fail = true;
        var store = new FaultyBlobStore(new MemoryBlobStore(), (_, operation, _) => fail && operation == "read" ? StoreFault.Fail : StoreFault.None);
        var blobs = new TensorBlobs(store);
        var blob = await blobs.WriteAsync("local/x", new byte[BlobBytes], CancellationToken.None);
        var cache = new BlobCache(maxBytes: BlobBytes);
        await Assert.ThrowsAsync<IOException>(() => cache.ReadAsync(blob, wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None));
        fail = false;

        Assert.Equal(BlobBytes, (await cache.ReadAsync(blob, wanted => blobs.ReadAsync(wanted, CancellationToken.None), CancellationToken.None)).Length);
    }
}
