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

    public static TheoryData<StoreFault, int> Listings
    {
        get
        {
            var data = new TheoryData<StoreFault, int>();
            for (var broken = 1; broken <= Retries; broken++)
            {
                data.Add(StoreFault.Fail, broken);
                data.Add(StoreFault.LoseAnswer, broken);
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Listings))]
    public async Task A_listing_that_fails_at_once_or_in_its_middle_misses_nothing_and_repeats_nothing(StoreFault fault, int broken)
    {
        const int Count = 9;
        var inner = new MemoryBlobStore();
        string[] names = [.. Enumerable.Range(0, Count).Select(i => $"t/{i}")];
        foreach (var name in names)
            await inner.CreateAsync(name, new byte[1], CancellationToken.None);
        var faulty = new FaultyBlobStore(inner, (n, operation, _) => operation == "list" && n < broken ? fault : StoreFault.None);

        Assert.Equal(names, await Retrying(faulty).NamesAsync("t/"));
        Assert.Equal(broken + 1, faulty.Operations);
    }

    [Fact]
    public async Task A_listing_that_fails_for_good_is_told_and_not_taken_for_its_end()
    {
        var inner = new MemoryBlobStore();
        foreach (var name in (string[])["t/a", "t/b"])
            await inner.CreateAsync(name, new byte[1], CancellationToken.None);

        foreach (var fault in (StoreFault[])[StoreFault.Fail, StoreFault.LoseAnswer])
            await Assert.ThrowsAsync<IOException>(() => Retrying(new FaultyBlobStore(inner, (_, _, _) => fault)).NamesAsync("t/"));
    }

    [Fact]
    public async Task What_is_created_or_deleted_while_a_listing_is_tried_again_may_be_missed_and_nothing_else()
    {
        var inner = new MemoryBlobStore();
        foreach (var name in (string[])["t/a", "t/c", "t/e", "t/g"])
            await inner.CreateAsync(name, new byte[1], CancellationToken.None);
        var names = new List<string>();

        await foreach (var entry in Retrying(new FaultyBlobStore(inner, (n, _, _) => n == 0 ? StoreFault.LoseAnswer : StoreFault.None)).ListAsync("t/", CancellationToken.None))
        {
            names.Add(entry.Name);
            if (entry.Name != "t/c")
                continue;
            await inner.DeleteAsync("t/c", CancellationToken.None);
            await inner.CreateAsync("t/b", new byte[1], CancellationToken.None);
            await inner.CreateAsync("t/d", new byte[1], CancellationToken.None);
        }

        Assert.Equal(["t/a", "t/c", "t/d", "t/e", "t/g"], names);
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
}
