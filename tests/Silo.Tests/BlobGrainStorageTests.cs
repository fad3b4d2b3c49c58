using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Silo.Jobs;
using Orchestrator.TestKit.Stores;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orchestrator.Silo.Tests;

public sealed class BlobGrainStorageTests
{
    private const string State = "running";

    private static readonly GrainId s_grain = GrainId.Create("silomodel", "model/acme/4fa6");

    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task State_is_found_by_the_next_activation_below_its_tenant()
    {
        var written = new GrainState<RunningJob> { State = new RunningJob(1, 2, "enough") };
        await Storage("one").WriteStateAsync(State, s_grain, written);

        var read = new GrainState<RunningJob>();
        await Storage("two").ReadStateAsync(State, s_grain, read);

        Assert.Equal((true, new RunningJob(1, 2, "enough"), written.ETag), (read.RecordExists, read.State, read.ETag));
        Assert.Equal(["acme/grains/running/model/4fa6.head"], await _store.NamesAsync(""));
    }

    [Fact]
    public async Task There_is_no_state_before_the_first_write_and_after_it_is_cleared()
    {
        var state = new GrainState<RunningJob>();
        await Storage("one").ReadStateAsync(State, s_grain, state);
        Assert.Equal((false, null), (state.RecordExists, state.ETag));

        await Storage("one").WriteStateAsync(State, s_grain, state);
        await Storage("one").ClearStateAsync(State, s_grain, state);
        var read = new GrainState<RunningJob>();
        await Storage("two").ReadStateAsync(State, s_grain, read);

        Assert.Equal((false, new RunningJob()), (read.RecordExists, read.State));
    }

    [Fact]
    public async Task A_stale_activation_cannot_write_not_even_over_what_was_cleared()
    {
        var (first, stale) = (new GrainState<RunningJob>(), new GrainState<RunningJob>());
        await Storage("one").WriteStateAsync(State, s_grain, first);
        await Storage("two").ReadStateAsync(State, s_grain, stale);
        await Storage("one").ClearStateAsync(State, s_grain, first);

        await Assert.ThrowsAsync<InconsistentStateException>(() => Storage("two").WriteStateAsync(State, s_grain, stale));
        await Assert.ThrowsAsync<InconsistentStateException>(() => Storage("two").ClearStateAsync(State, s_grain, stale));
    }

    /// <summary>The write was carried out and its answer lost: the next try meets its own write.</summary>
    [Fact]
    public async Task A_write_whose_answer_was_lost_is_no_conflict()
    {
        var losses = 2;
        var lossy = new FaultyBlobStore(_store, (_, operation, _) => operation == "replace" && losses-- > 0 && losses % 2 == 1 ? StoreFault.LoseAnswer : StoreFault.None);
        var retried = new RetryingBlobStore(lossy, StoreRetryOptions.Default with { Delay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero }, TimeProvider.System, () => 0.5);
        var storage = new BlobGrainStorage(new GrainStateStore(retried, "one"), "local");
        var state = new GrainState<RunningJob> { State = new RunningJob(0, 1, null) };

        await storage.WriteStateAsync(State, s_grain, state);
        await storage.ClearStateAsync(State, s_grain, state);

        Assert.False(state.RecordExists);
        Assert.True(losses < 0);
    }

    [Fact]
    public async Task A_damaged_state_is_like_none_and_is_written_over()
    {
        var state = new GrainState<RunningJob> { State = new RunningJob(0, 1, null) };
        await Storage("one").WriteStateAsync(State, s_grain, state);
        await _store.DamageAsync("acme/grains/running/model/4fa6.head", Damages.All[0]);

        var read = new GrainState<RunningJob>();
        await Storage("two").ReadStateAsync(State, s_grain, read);
        Assert.False(read.RecordExists);
        await Storage("two").WriteStateAsync(State, s_grain, read);
    }

    private BlobGrainStorage Storage(string writer) => new(new GrainStateStore(_store, writer), "local");
}
