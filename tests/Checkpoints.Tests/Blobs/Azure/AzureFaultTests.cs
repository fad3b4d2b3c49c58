using System.Security.Cryptography;
using Azure.Core;
using Azure.Core.Pipeline;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>An emulator behind a network that loses, breaks and damages requests: what was acknowledged is there, once, and intact.</summary>
[Collection(AzuriteTests.Name)]
public sealed class AzureFaultTests(AzuriteFixture azurite)
{
    private const int BlockBytes = 1 << 14;
    private const int FaultEvery = 5;

    private readonly string _container = $"test-{Guid.NewGuid():n}";

    [AzuriteTheory]
    [InlineData(RequestFault.Fail)]
    [InlineData(RequestFault.LoseAnswer)]
    [InlineData(RequestFault.Throttle)]
    [InlineData(RequestFault.BreakBody)]
    public async Task A_log_behind_a_bad_network_has_every_commit_once(RequestFault fault)
    {
        const int Units = 40;
        var store = await OpenAsync((n, _) => n % FaultEvery == 0 ? fault : RequestFault.None);
        var log = await new CheckpointStore(store).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
        for (var i = 0; i < Units; i++)
        {
            var answer = Assert.Single(await log.CommitAsync([Commit(i, new Epoch(1, i + 1))], CancellationToken.None));
            Assert.Equal((true, false), (answer.Ours, answer.Diverged));
        }

        var read = await new CheckpointStore(await OpenAsync()).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
        Assert.Equal(Units, read.Count);
        Assert.All(Enumerable.Range(0, Units), i => Assert.Equal(new Epoch(1, i + 1), read.EpochOf(read.Find(Key(i)))));
    }

    [AzuriteFact]
    public async Task Coordinators_on_one_container_commit_every_unit_once_and_agree()
    {
        const int Coordinators = 3;
        const int Units = StageFiles.MaxTail + 16;
        var logs = await Task.WhenAll(Enumerable.Range(0, Coordinators).Select(async c =>
        {
            var log = await new CheckpointStore(await OpenAsync()).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
            for (var i = 0; i < Units; i += 8)
                await log.CommitAsync([.. Enumerable.Range(i, 8).Select(u => Commit((u + c * 11) % Units, new Epoch(c + 1, u + 1)))], CancellationToken.None);
            return log;
        }));

        var read = await new CheckpointStore(await OpenAsync()).OpenStageAsync(s_scope, s_stage, Units, CancellationToken.None);
        Assert.Equal(Units, read.Count);
        foreach (var log in logs)
        {
            await log.RefreshAsync(CancellationToken.None);
            Assert.Equal(Epochs(read), Epochs(log));
        }

        static IEnumerable<Epoch> Epochs(StageLog log) => Enumerable.Range(0, Units).Select(i => log.EpochOf(log.Find(Key(i))));
    }

    [AzuriteFact]
    public async Task A_state_that_many_change_through_a_bad_network_loses_no_change_and_doubles_none()
    {
        const int Writers = 4;
        const int Each = 5;
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(async writer =>
        {
            var states = new GrainStateStore(await OpenAsync((n, _) => n % FaultEvery == writer ? RequestFault.LoseAnswer : RequestFault.None), $"writer-{writer}");
            for (var i = 0; i < Each; i++)
                await states.UpdateAsync<Counter>("local", "scheduler", old => new Counter((old?.Value ?? 0) + 1), CancellationToken.None);
        }));

        Assert.Equal(Writers * Each, (await new GrainStateStore(await OpenAsync(), "reader").ReadAsync<Counter>("local", "scheduler", CancellationToken.None))!.Value);
    }

    [AzuriteTheory]
    [InlineData(RequestFault.Fail)]
    [InlineData(RequestFault.LoseAnswer)]
    [InlineData(RequestFault.BreakBody)]
    public async Task A_large_blob_goes_up_in_blocks_and_down_in_ranges_through_a_bad_network_unchanged(RequestFault fault)
    {
        var content = Content(20 * BlockBytes + 11);
        var tensors = new TensorBlobs(await OpenAsync((n, _) => n % FaultEvery == 2 ? fault : RequestFault.None));

        var blob = await tensors.WriteAsync("local/attempts/1/weights", (stream, token) => stream.WriteAsync(content, token).AsTask(), CancellationToken.None);
        using var copy = new MemoryStream();
        await tensors.CopyAsync(blob, copy, CancellationToken.None);

        Assert.Equal(content, copy.ToArray());
        Assert.Equal(content, (await tensors.ReadAsync(blob, CancellationToken.None)).ToArray());
    }

    [AzuriteFact]
    public async Task A_blob_whose_making_was_not_answered_is_read_back_and_found_to_be_ours()
    {
        var content = Content(3 * BlockBytes);
        var lost = 0;
        var tensors = new TensorBlobs(await OpenAsync((_, request) => request.Uri.Query.Contains("comp=blocklist", StringComparison.Ordinal) && lost++ == 0 ? RequestFault.LoseAnswer : RequestFault.None));

        var blob = await tensors.WriteAsync("local/attempts/1/weights", (stream, token) => stream.WriteAsync(content, token).AsTask(), CancellationToken.None);

        Assert.Equal(2, lost);
        Assert.Equal(content, (await tensors.ReadAsync(blob, CancellationToken.None)).ToArray());
    }

    [AzuriteFact]
    public async Task A_bit_that_the_network_flips_is_found_by_the_digest_and_by_documents_alike()
    {
        var damaging = false;
        var store = await OpenAsync((_, request) => damaging && request.Method == RequestMethod.Get ? RequestFault.DamageBody : RequestFault.None);
        var tensors = new TensorBlobs(store);
        var blob = await tensors.WriteAsync("local/attempts/1/weights", Content(5 * BlockBytes), CancellationToken.None);
        await store.CreateAsync("local/document", SealedJson.Write(new Counter(3), 1), CancellationToken.None);

        damaging = true;
        await Assert.ThrowsAsync<DamagedBlobException>(() => tensors.ReadAsync(blob, CancellationToken.None));
        await Assert.ThrowsAsync<DamagedBlobException>(() => tensors.CopyAsync(blob, Stream.Null, CancellationToken.None));
        Assert.Null(SealedJson.Read<Counter>("local/document", (await store.ReadAsync("local/document", CancellationToken.None))!.Content, 1));
        damaging = false;
        await tensors.CopyAsync(blob, Stream.Null, CancellationToken.None);
    }

    [AzuriteFact]
    public async Task A_body_that_breaks_off_is_asked_for_again_by_one_layer_only()
    {
        const int Retries = 2;
        var reads = 0;
        var store = await OpenAsync((_, request) => request.Method == RequestMethod.Get && ++reads > 0 ? RequestFault.BreakBody : RequestFault.None, Retries);
        await store.CreateAsync("local/a", Content(BlockBytes), CancellationToken.None);

        await Assert.ThrowsAsync<StoreException>(() => store.ReadAsync("local/a", CancellationToken.None));

        Assert.Equal(1 + Retries, reads);
    }

    [AzuriteFact]
    public async Task A_blob_that_is_made_anew_while_it_is_read_is_never_mixed()
    {
        var store = await OpenAsync();
        await store.CreateAsync("local/a", Content(8 * BlockBytes), CancellationToken.None);
        await using var stream = await store.OpenReadAsync("local/a", CancellationToken.None);
        await store.DeleteAsync("local/a", CancellationToken.None);
        await store.CreateAsync("local/a", Content(8 * BlockBytes, seed: 2), CancellationToken.None);

        // The first range and the one that is on its way may be of the old one.
        await Assert.ThrowsAsync<IOException>(() => stream!.CopyToAsync(Stream.Null));
    }

    [AzuriteFact]
    public async Task Of_two_who_stage_the_same_large_blob_one_makes_it_and_the_other_is_told()
    {
        var (one, two) = (await OpenAsync(), await OpenAsync());
        var (first, second) = (Content(3 * BlockBytes), Content(3 * BlockBytes, seed: 2));
        var won = false;

        var lost = await two.CreateAsync("local/a", async (stream, token) =>
        {
            await stream.WriteAsync(second, token);
            won = await one.CreateAsync("local/a", (other, t) => other.WriteAsync(first, t).AsTask(), token);
        }, CancellationToken.None);

        Assert.Equal((true, false), (won, lost));
        Assert.Equal(first, (await two.ReadAsync("local/a", CancellationToken.None))!.Content.ToArray());
    }

    [AzuriteFact]
    public async Task Synchronous_writers_and_readers_are_served()
    {
        var content = Content(9 * BlockBytes + 5);
        var store = await OpenAsync();
        await store.CreateAsync("local/a", (stream, _) =>
        {
            foreach (var chunk in content.Chunk(1_000))
                stream.Write(chunk, 0, chunk.Length);
            return Task.CompletedTask;
        }, CancellationToken.None);

        await using var read = await store.OpenReadAsync("local/a", CancellationToken.None);
        var back = new byte[content.Length];
        read!.ReadExactly(back);
        Assert.Equal((content.Length, 0), (read.Length, read.Read(new byte[1], 0, 1)));
        Assert.Equal(SHA256.HashData(content), SHA256.HashData(back));
    }

    private static readonly string s_stage = SampleJobs.Digest('5');
    private static readonly JobScope s_scope = new("local", "job", 0);

    private static string Key(int unit) => CanonicalJson.Digest(unit);

    private static StageCommit Commit(int unit, Epoch epoch)
    {
        var prefix = BlobNames.OutputPrefix("local", Key(unit), epoch);
        UnitOutput[] outputs = [new UnitOutput("weights", new BlobRef(BlobNames.Output(prefix, "weights"), SampleJobs.Digest('f'), 100))];
        return new StageCommit(new CommitRecord(Key(unit), "unit", UnitKind.Rows, epoch, outputs, new UnitMetrics { Loss = unit }), unit * 4, 4);
    }

    private static byte[] Content(int length, int seed = 1)
    {
        var content = new byte[length];
        new Random(seed).NextBytes(content);
        return content;
    }

    /// <summary>The network is well until the container is open.</summary>
    private async Task<AzureBlobStore> OpenAsync(Func<int, Request, RequestFault>? fault = null, int retries = 5)
    {
        var opened = false;
        var transport = new FaultyTransport(HttpClientTransport.Shared, (n, request) => opened && fault is not null ? fault(n, request) : RequestFault.None);
        var store = await azurite.Server.OpenAsync(_container, AzuriteServer.Options with
        {
            BlockBytes = BlockBytes,
            Transport = transport,
            Retry = new StoreRetryOptions(retries, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(20)),
        });
        opened = true;
        return store;
    }

    private sealed record Counter(int Value);
}
