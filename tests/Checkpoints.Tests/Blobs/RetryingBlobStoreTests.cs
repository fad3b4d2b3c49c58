using Orchestrator.Checkpoints.Blobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Checkpoints.Tests.Blobs;

public sealed class RetryingBlobStoreTests
{
    private const int Retries = 3;

    private static readonly StoreRetryOptions s_impatient = new(Retries, TimeSpan.Zero, TimeSpan.Zero);

    [Fact]
    public async Task What_fails_for_a_moment_is_done_in_the_end()
    {
        var store = Retrying(new FaultyBlobStore(new MemoryBlobStore(), (n, _, _) => n % (Retries + 1) < Retries ? StoreFault.Fail : StoreFault.None));

        Assert.True(await store.CreateAsync("t/a", "content"u8.ToArray(), CancellationToken.None));
        Assert.Equal("content"u8.ToArray(), (await store.ReadAsync("t/a", CancellationToken.None))!.Content.ToArray());
    }

    [Fact]
    public async Task The_last_failure_is_told_when_nothing_helps()
    {
        var failing = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.Fail);

        await Assert.ThrowsAsync<IOException>(() => Retrying(failing).ReadAsync("t/a", CancellationToken.None));

        Assert.Equal(Retries + 1, failing.Operations);
    }

    [Fact]
    public async Task A_create_whose_answer_was_lost_reports_a_conflict_and_changed_nothing_twice()
    {
        var inner = new MemoryBlobStore();
        var store = Retrying(new FaultyBlobStore(inner, (n, _, _) => n == 0 ? StoreFault.LoseAnswer : StoreFault.None));

        Assert.False(await store.CreateAsync("t/a", "content"u8.ToArray(), CancellationToken.None));
        Assert.Equal("content"u8.ToArray(), (await inner.ReadAsync("t/a", CancellationToken.None))!.Content.ToArray());
    }

    [Theory]
    [InlineData(28)]
    [InlineData(30)]
    [InlineData(122)]
    public async Task A_full_or_read_only_disk_is_not_asked_again(int error)
    {
        var asked = 0;
        var store = Retrying(new MemoryBlobStore());

        await Assert.ThrowsAsync<IOException>(() => store.CreateAsync(
            "t/a",
            (_, _) =>
            {
                asked++;
                throw new IOException("the disk will not have it", error);
            },
            CancellationToken.None));

        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task A_listing_that_breaks_off_goes_on_behind_what_was_seen()
    {
        var inner = new MemoryBlobStore();
        string[] names = ["t/a", "t/b", "t/c", "t/d"];
        foreach (var name in names)
            await inner.CreateAsync(name, new byte[1], CancellationToken.None);

        Assert.Equal(names, await Retrying(new BreakingList(inner, after: 2)).NamesAsync("t/"));
    }

    [Fact]
    public async Task Each_wait_is_about_twice_the_one_before_and_none_exceeds_the_bound()
    {
        var clock = new WaitingClock();
        var options = new StoreRetryOptions(8, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20));
        var store = new RetryingBlobStore(new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.Fail), options, clock, () => 0.5);

        await Assert.ThrowsAsync<IOException>(() => store.ReadAsync("t/a", CancellationToken.None));

        Assert.Equal(options.Retries, clock.Waits.Count);
        Assert.All(clock.Waits, wait => Assert.InRange(wait, TimeSpan.Zero, options.MaxDelay));
        Assert.True(clock.Waits[3] > clock.Waits[0] * 2, $"waits: {string.Join(", ", clock.Waits)}");
    }

    private static RetryingBlobStore Retrying(IBlobStore inner) => new(inner, s_impatient, new ManualClock(), () => 0.5);

    /// <summary>Every wait is over at once and remembered.</summary>
    private sealed class WaitingClock : TimeProvider
    {
        public List<TimeSpan> Waits { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            Waits.Add(dueTime);
            return System.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }

    /// <summary>Breaks the first listing off after some entries.</summary>
    private sealed class BreakingList(MemoryBlobStore inner, int after) : IBlobStore
    {
        private bool _broke;

        public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
        {
            var left = after;
            await foreach (var entry in inner.ListAsync(prefix, cancellationToken))
            {
                if (left-- == 0 && !_broke)
                {
                    _broke = true;
                    throw new IOException("The connection broke.");
                }

                yield return entry;
            }
        }

        public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => inner.ReadAsync(name, cancellationToken);

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

        public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.CreateAsync(name, content, cancellationToken);

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) => inner.CreateAsync(name, write, cancellationToken);

        public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => inner.ReplaceAsync(name, content, etag, cancellationToken);

        public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);
    }
}
