using System.Diagnostics.Metrics;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Checkpoints.Tests.Blobs;
using Orchestrator.Jobs.Telemetry;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Telemetry;

namespace Orchestrator.Checkpoints.Tests.Telemetry;

public sealed class MeteredBlobStoreTests : BlobStoreContract, IDisposable
{
    private const string Duration = "orchestrator.checkpoint.write.duration";
    private const string Size = "orchestrator.checkpoint.write.size";

    private readonly Meter _meter = new("test");
    private readonly StoreInstruments _instruments;
    private readonly MeterRecorder _recorder;

    public MeteredBlobStoreTests() => (_instruments, _recorder) = (new StoreInstruments(_meter), new MeterRecorder(_meter));

    protected override IBlobStore Store => field ??= Metered(new MemoryBlobStore());

    protected override IBlobStore Other => Store;

    public void Dispose()
    {
        _recorder.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public async Task Writes_are_told_by_kind_of_blob_with_their_size()
    {
        var store = Metered(new MemoryBlobStore());

        await store.CreateAsync("t/attempts/ab/role", new byte[30], CancellationToken.None);
        await store.CreateAsync("t/inputs/ab", (stream, token) => stream.WriteAsync(new byte[70], token).AsTask(), CancellationToken.None);
        await store.ReplaceAsync("t/grains/a.head", new byte[5], null, CancellationToken.None);
        await store.CreateAsync("t/jobs/j/g1/commits/ab/1.json", new byte[8], CancellationToken.None);

        Assert.Equal(
            [("tensor", 30d), ("input", 70d), ("head", 5d), ("commit", 8d)],
            _recorder.Of(Size).Select(m => (m.Labels[Labels.Blob], m.Value)));
        Assert.All(_recorder.Of(Duration), m => Assert.Equal(Labels.Success, m.Labels[Labels.Result]));
    }

    [Fact]
    public async Task What_is_taken_and_what_fails_has_no_size()
    {
        var inner = new MemoryBlobStore();
        await inner.CreateAsync("t/a/b", new byte[1], CancellationToken.None);
        var store = Metered(new FaultyBlobStore(inner, (n, _, _) => n == 1 ? StoreFault.Fail : StoreFault.None));

        Assert.False(await store.CreateAsync("t/a/b", new byte[1], CancellationToken.None));
        await Assert.ThrowsAsync<IOException>(() => store.CreateAsync("t/a/c", new byte[1], CancellationToken.None));

        Assert.Equal([Labels.Conflict, Labels.Error], _recorder.Of(Duration).Select(m => m.Labels[Labels.Result]));
        Assert.Empty(_recorder.Of(Size));
    }

    [Fact]
    public async Task Damage_is_counted_where_it_is_found()
    {
        var store = Metered(new MemoryBlobStore());
        var blobs = new TensorBlobs(store);
        var blob = await blobs.WriteAsync("t/attempts/ab/role", new byte[3], CancellationToken.None);

        await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.ReadAsync(blob with { Sha256 = new string('0', 64) }, CancellationToken.None));
        await Assert.ThrowsAsync<DamagedBlobException>(() => blobs.CopyAsync(blob with { Name = "t/attempts/ab/other" }, Stream.Null, CancellationToken.None));
        await blobs.ReadAsync(blob, CancellationToken.None);

        Assert.Equal(2, _recorder.Sum("orchestrator.checkpoint.verify.errors"));
    }

    [Fact]
    public async Task Tries_after_the_first_are_counted()
    {
        var failing = new FaultyBlobStore(new MemoryBlobStore(), (n, _, _) => n < 2 ? StoreFault.Fail : StoreFault.None);
        var store = new RetryingBlobStore(failing, new StoreRetryOptions(3, TimeSpan.Zero, TimeSpan.Zero), TimeProvider.System, () => 0.5, _instruments);

        await store.ReadAsync("t/a", CancellationToken.None);

        Assert.Equal(2, _recorder.Sum("orchestrator.store.retries"));
        Assert.Equal(0, _recorder.Observe().Sum("orchestrator.store.breaker.state"));
    }

    [Fact]
    public async Task An_open_breaker_is_seen()
    {
        const int Enough = 30;
        var pipelines = new AzurePipelines(new AzureStoreOptions(TimeProvider.System, () => 0.5) { Retry = new StoreRetryOptions(1, TimeSpan.Zero, TimeSpan.Zero), Instruments = _instruments });

        for (var i = 0; i < Enough; i++)
            await Assert.ThrowsAnyAsync<Exception>(() => pipelines.CallAsync<bool>(0, _ => throw new IOException("away"), CancellationToken.None));

        Assert.Equal(1, _recorder.Observe().Sum("orchestrator.store.breaker.state"));
    }

    private MeteredBlobStore Metered(IBlobStore inner) => new(inner, _instruments, TimeProvider.System);
}
