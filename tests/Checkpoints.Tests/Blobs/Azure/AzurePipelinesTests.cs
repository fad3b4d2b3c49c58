using Azure;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;
using Polly.CircuitBreaker;
using Polly.Hedging;
using Polly.Retry;
using Polly.Testing;
using Polly.Timeout;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>What is tried again, when, how often, and what stops it; under a clock that the tests move.</summary>
public sealed class AzurePipelinesTests
{
    private const int Mebibyte = 1 << 20;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_step = TimeSpan.FromMilliseconds(50);
    private static readonly StoreRetryOptions s_atOnce = new(3, TimeSpan.Zero, TimeSpan.Zero);
    private static readonly AzureRange s_range = new([1], 1, new ETag("1"), 1);

    private readonly ManualClock _clock = new();

    [Fact]
    public void Calls_are_bounded_and_retried_reads_are_hedged_and_every_try_is_guarded_and_bounded()
    {
        var pipelines = Pipelines();

        Assert.Collection(Of(pipelines.Write.GetPipelineDescriptor()), IsTimeout, IsRetry);
        Assert.Collection(Of(pipelines.Read.GetPipelineDescriptor()), IsTimeout, IsRetry, o => Assert.Equal(1, Assert.IsType<HedgingStrategyOptions<AzureRange?>>(o).MaxHedgedAttempts));
        Assert.Collection(Of(pipelines.Attempt.GetPipelineDescriptor()), IsBreaker, IsTimeout);

        static IEnumerable<object?> Of(ResiliencePipelineDescriptor pipeline) => pipeline.Strategies.Select(s => s.Options);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(408)]
    [InlineData(429)]
    [InlineData(500)]
    [InlineData(502)]
    [InlineData(503)]
    [InlineData(504)]
    public async Task What_a_later_try_may_cure_is_tried_again(int status)
    {
        var calls = 0;

        await Assert.ThrowsAsync<RequestFailedException>(() => CallAsync(Pipelines(s_atOnce), () => Fail(ref calls, status)));

        Assert.Equal(1 + s_atOnce.Retries, calls);
    }

    [Theory]
    [InlineData(400)]
    [InlineData(401)]
    [InlineData(403)]
    [InlineData(404)]
    [InlineData(409)]
    [InlineData(412)]
    [InlineData(416)]
    [InlineData(501)]
    public async Task What_no_later_try_cures_is_not(int status)
    {
        var calls = 0;

        await Assert.ThrowsAsync<RequestFailedException>(() => CallAsync(Pipelines(s_atOnce), () => Fail(ref calls, status)));

        Assert.Equal(1, calls);
    }

    [Fact]
    public async Task A_busy_service_is_left_alone_as_long_as_it_asks_for()
    {
        var asked = TimeSpan.FromSeconds(7);
        var times = new List<TimeSpan>();
        var answer = new CannedResponse(503, "", ("Retry-After", $"{asked.TotalSeconds}"));

        await DriveAsync(() => CallAsync(Pipelines(), () =>
        {
            times.Add(_clock.GetElapsedTime(0));
            return times.Count == 1 ? throw new RequestFailedException(answer) : Task.FromResult(1);
        }));

        Assert.True(times[1] >= asked, $"came back after {times[1]}");
    }

    [Fact]
    public async Task A_service_that_is_away_for_a_minute_is_waited_for()
    {
        var back = TimeSpan.FromMinutes(1);
        var calls = 0;

        var answer = await DriveAsync(() => CallAsync(Pipelines(), () => _clock.GetElapsedTime(0) < back ? Fail(ref calls, 0) : Task.FromResult(7)));

        Assert.Equal(7, answer);
        Assert.InRange(calls, 5, Pipelines().Options.Retry.Retries);
    }

    [Fact]
    public async Task No_call_takes_longer_than_its_bound_with_all_its_tries()
    {
        var calls = 0;
        var options = Options() with { Retry = new StoreRetryOptions(1_000, TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(20)) };

        var failure = await Assert.ThrowsAnyAsync<Exception>(() => DriveAsync(() => CallAsync(new AzurePipelines(options), () => Fail(ref calls, 0))));

        Assert.True(failure is TimeoutRejectedException { Timeout: var bound } && bound == options.Total, failure.ToString());
    }

    [Theory]
    [InlineData(0, 10)]
    [InlineData(8, 18)]
    [InlineData(5_000, 5_010)]
    public async Task A_try_is_given_up_later_the_more_it_sends(int mebibytes, int seconds)
    {
        var given = new TaskCompletionSource<TimeSpan>();
        var call = Pipelines().CallAsync(mebibytes * (long)Mebibyte, async token =>
        {
            try
            {
                return await new TaskCompletionSource<int>().Task.WaitAsync(token);
            }
            finally
            {
                given.TrySetResult(_clock.GetElapsedTime(0));
            }
        }, CancellationToken.None);

        _clock.Advance(TimeSpan.FromSeconds(seconds));

        Assert.Equal(TimeSpan.FromSeconds(seconds), await given.Task);
        Assert.False(call.IsCompleted);
    }

    [Fact]
    public async Task A_service_that_fails_half_the_time_is_left_alone_for_a_while_by_reads_and_writes()
    {
        const int Enough = 20;
        var pause = TimeSpan.FromSeconds(15);
        var pipelines = Pipelines(new StoreRetryOptions(1, TimeSpan.Zero, TimeSpan.Zero));
        var calls = 0;
        for (var i = 0; i < Enough; i++)
            await Assert.ThrowsAnyAsync<Exception>(() => CallAsync(pipelines, () => Fail(ref calls, 500)));
        var before = calls;

        await Assert.ThrowsAsync<BrokenCircuitException>(() => CallAsync(pipelines, () => Fail(ref calls, 500)));
        await Assert.ThrowsAsync<BrokenCircuitException>(() => pipelines.ReadAsync(1, _ => Task.FromResult<AzureRange?>(s_range), CancellationToken.None));
        Assert.Equal(before, calls);

        _clock.Advance(pause);
        Assert.Equal(s_range, await pipelines.ReadAsync(1, _ => Task.FromResult<AzureRange?>(s_range), CancellationToken.None));
    }

    [Fact]
    public async Task A_read_that_takes_longer_than_most_gets_help_and_the_first_answer_counts()
    {
        var pipelines = await WarmAsync();
        var (calls, givenUp) = (0, new TaskCompletionSource());

        var read = await DriveAsync(() => pipelines.ReadAsync(1, async token =>
        {
            if (++calls > 1)
                return s_range;
            try
            {
                return await new TaskCompletionSource<AzureRange?>().Task.WaitAsync(token);
            }
            finally
            {
                givenUp.SetResult();
            }
        }, CancellationToken.None));

        Assert.Equal((s_range, 2), (read, calls));
        await givenUp.Task;
    }

    [Fact]
    public async Task A_read_that_fails_at_once_waits_before_the_next_try()
    {
        var pipelines = await WarmAsync();
        var times = new List<TimeSpan>();

        await DriveAsync(() => pipelines.ReadAsync(1, _ =>
        {
            times.Add(_clock.GetElapsedTime(0));
            return times.Count == 1 ? throw new RequestFailedException(503, "busy") : Task.FromResult<AzureRange?>(s_range);
        }, CancellationToken.None));

        Assert.Equal(2, times.Count);
        Assert.True(times[1] > times[0]);
    }

    [Fact]
    public async Task A_write_gets_no_help()
    {
        var calls = 0;
        var pipelines = await WarmAsync();
        var slow = new TaskCompletionSource<int>();
        var write = pipelines.CallAsync(1, _ =>
        {
            calls++;
            return slow.Task;
        }, CancellationToken.None);

        _clock.Advance(TimeSpan.FromSeconds(5));
        slow.SetResult(3);

        Assert.Equal((3, 1), (await write, calls));
    }

    [Fact]
    public void Extra_calls_are_a_tenth_of_the_first_ones_and_a_trickle()
    {
        const int First = 1_000;
        var budget = new RetryBudget(_clock);
        var extra = 0;
        for (var i = 0; i < First; i++)
        {
            budget.Deposit();
            extra += budget.TryWithdraw() ? 1 : 0;
        }

        Assert.InRange(extra, First * RetryBudget.Share, First * RetryBudget.Share + RetryBudget.Most);
        Assert.False(budget.TryWithdraw() && budget.TryWithdraw());
        _clock.Advance(TimeSpan.FromSeconds(2 / RetryBudget.PerSecond));
        Assert.True(budget.TryWithdraw() && budget.TryWithdraw());
    }

    [Fact]
    public void Slow_is_what_one_in_twenty_exceeds()
    {
        var window = new LatencyWindow();
        for (var i = 1; i < 20; i++)
            window.Add(TimeSpan.FromSeconds(i));
        Assert.Null(window.Slow());

        window.Add(TimeSpan.FromSeconds(20));
        Assert.Equal(TimeSpan.FromSeconds(19), window.Slow());
        for (var i = 0; i < 1_000; i++)
            window.Add(TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.FromSeconds(2), window.Slow());
    }

    private static void IsTimeout(object? options) => Assert.IsType<TimeoutStrategyOptions>(options);

    private static void IsBreaker(object? options)
    {
        var breaker = Assert.IsAssignableFrom<CircuitBreakerStrategyOptions>(options);
        Assert.Equal((0.5, 20, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(15)), (breaker.FailureRatio, breaker.MinimumThroughput, breaker.SamplingDuration, breaker.BreakDuration));
    }

    private static void IsRetry(object? options)
    {
        var (jitter, most) = options is RetryStrategyOptions<AzureRange?> read ? (read.UseJitter, read.MaxDelay) : Assert.IsType<RetryStrategyOptions>(options) is var write ? (write.UseJitter, write.MaxDelay) : default;
        Assert.Equal((true, (TimeSpan?)TimeSpan.FromSeconds(20)), (jitter, most));
    }

    private static Task<int> Fail(ref int calls, int status)
    {
        calls++;
        throw new RequestFailedException(status, "made up");
    }

    private static Task<int> CallAsync(AzurePipelines pipelines, Func<Task<int>> call) => pipelines.CallAsync(0, _ => call(), CancellationToken.None);

    private AzureStoreOptions Options() => new(_clock, () => 0.5);

    private AzurePipelines Pipelines(StoreRetryOptions? retry = null) => new(Options() with { Retry = retry ?? Options().Retry });

    /// <summary>It has seen enough reads to know what is slow.</summary>
    private async Task<AzurePipelines> WarmAsync()
    {
        const int Enough = 20;
        var pipelines = Pipelines();
        for (var i = 0; i < Enough; i++)
            await pipelines.ReadAsync(1, _ => Task.FromResult<AzureRange?>(s_range), CancellationToken.None);
        return pipelines;
    }

    /// <summary>Makes a call and lets time pass until it ends. Whatever is due goes on at once on this thread, before more time passes.</summary>
    private Task<T> DriveAsync<T>(Func<Task<T>> start)
    {
        const int MostSteps = 10_000;
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var call = start();
            for (var step = 0; step < MostSteps && !call.IsCompleted; step++)
                _clock.Advance(s_step);
            // A wait that is cancelled ends on another thread.
            return call.WaitAsync(s_patience);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }
}
