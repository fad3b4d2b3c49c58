using Azure;
using Polly;
using Polly.CircuitBreaker;
using Polly.Hedging;
using Polly.Retry;
using Polly.Timeout;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>
/// What stands between a store and its service. Every call: total time-out, retry with jitter within a budget, circuit breaker, time-out of
/// one try. Reads: a second try beside one that takes longer than most. The only layer that tries again: the client library's own is off.
/// </summary>
internal sealed class AzurePipelines
{
    private const double BreakerRatio = 0.5;
    private const int BreakerThroughput = 20;

    private static readonly TimeSpan s_breakerWindow = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_breakerPause = TimeSpan.FromSeconds(15);

    /// <summary>A read is never helped before it took so long, and before it is known what is long.</summary>
    private static readonly TimeSpan s_soonestHedge = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan s_firstHedge = TimeSpan.FromSeconds(2);

    private static readonly ResiliencePropertyKey<long> s_bytes = new("bytes");
    private static readonly ResiliencePropertyKey<long> s_started = new("started");
    private static readonly ResiliencePropertyKey<TimeSpan> s_hedgeAfter = new("hedge-after");

    public AzureStoreOptions Options { get; }
    private readonly RetryBudget _budget;
    private readonly LatencyWindow _reads = new();

    public AzurePipelines(AzureStoreOptions options)
    {
        Options = options;
        _budget = new RetryBudget(options.Clock);
        Attempt = new ResiliencePipelineBuilder { Name = "blob-attempt", TimeProvider = options.Clock, TelemetryListener = options.Instruments?.Resilience }
            .AddCircuitBreaker(new CircuitBreakerStrategyOptions
            {
                FailureRatio = BreakerRatio,
                MinimumThroughput = BreakerThroughput,
                SamplingDuration = s_breakerWindow,
                BreakDuration = s_breakerPause,
                ShouldHandle = args => ValueTask.FromResult(IsTransient(args.Outcome.Exception)),
            })
            .AddTimeout(new TimeoutStrategyOptions { TimeoutGenerator = args => ValueTask.FromResult(Bound(Options.Attempt, args.Context)) })
            .Build();
        Write = new ResiliencePipelineBuilder { Name = "blob-write", TimeProvider = options.Clock, TelemetryListener = options.Instruments?.Resilience }
            .AddTimeout(new TimeoutStrategyOptions { TimeoutGenerator = args => ValueTask.FromResult(Bound(Options.Total, args.Context)) })
            .AddRetry(Patiently(new RetryStrategyOptions()))
            .Build();
        Read = new ResiliencePipelineBuilder<AzureRange?> { Name = "blob-read", TimeProvider = options.Clock, TelemetryListener = options.Instruments?.Resilience }
            .AddTimeout(new TimeoutStrategyOptions { TimeoutGenerator = args => ValueTask.FromResult(Bound(Options.Total, args.Context)) })
            .AddRetry(Patiently(new RetryStrategyOptions<AzureRange?>()))
            .AddHedging(new HedgingStrategyOptions<AzureRange?>
            {
                MaxHedgedAttempts = 1,
                ShouldHandle = args => ValueTask.FromResult(IsTransient(args.Outcome.Exception)),
                DelayGenerator = args => ValueTask.FromResult(HedgeAfter(args.Context)),
                ActionGenerator = Hedge,
            })
            .Build();
    }

    /// <summary>For everything but reading content.</summary>
    public ResiliencePipeline Write { get; }

    public ResiliencePipeline<AzureRange?> Read { get; }

    /// <summary>Inside of both: reads and writes go to one service, and what either sees counts for both.</summary>
    public ResiliencePipeline Attempt { get; }

    /// <param name="bytes">Sent with the request.</param>
    public async Task<T> CallAsync<T>(long bytes, Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        _budget.Deposit();
        var context = Enter(bytes, cancellationToken);
        try
        {
            return await Write.ExecuteAsync(outer => Attempt.ExecuteAsync(async inner => await call(inner.CancellationToken), outer), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <param name="bytes">At most asked for.</param>
    /// <param name="call">May run twice at once.</param>
    public async Task<AzureRange?> ReadAsync(long bytes, Func<CancellationToken, Task<AzureRange?>> call, CancellationToken cancellationToken)
    {
        _budget.Deposit();
        var context = Enter(bytes, cancellationToken);
        try
        {
            return await Read.ExecuteAsync(outer => Attempt.ExecuteAsync(async inner => await TimedAsync(call, inner.CancellationToken), outer), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>Whether a later try may fare better: no connection, a broken one, a time-out, 408, 429 and the 500s that say so.</summary>
    public static bool IsTransient(Exception? cause) => cause switch
    {
        RequestFailedException failed => failed.Status is 0 or 408 or 429 or 500 or 502 or 503 or 504,
        IOException or BrokenBodyException or TimeoutRejectedException => true,
        _ => false,
    };

    private static ResilienceContext Enter(long bytes, CancellationToken cancellationToken)
    {
        // Callers come back to schedulers of their own.
        var context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, cancellationToken);
        context.Properties.Set(s_bytes, bytes);
        return context;
    }

    private TimeSpan Bound(TimeSpan least, ResilienceContext context) =>
        least + Options.PerMebibyte * (context.Properties.GetValue(s_bytes, 0) / (double)(1 << 20));

    private RetryStrategyOptions Patiently(RetryStrategyOptions retry)
    {
        Patiently<object>(retry);
        return retry;
    }

    private RetryStrategyOptions<T> Patiently<T>(RetryStrategyOptions<T> retry)
    {
        retry.MaxRetryAttempts = Options.Retry.Retries;
        retry.BackoffType = DelayBackoffType.Exponential;
        retry.UseJitter = true;
        retry.Delay = Options.Retry.Delay;
        retry.MaxDelay = Options.Retry.MaxDelay;
        retry.Randomizer = Options.Random;
        retry.ShouldHandle = args => ValueTask.FromResult(MayRetry(args.Outcome.Exception));
        retry.DelayGenerator = args => ValueTask.FromResult(AskedFor(args.Outcome.Exception));
        return retry;
    }

    /// <summary>A try that the open breaker kept from the service costs it nothing, so nothing is charged.</summary>
    private bool MayRetry(Exception? cause) => cause is BrokenCircuitException || (IsTransient(cause) && _budget.TryWithdraw());

    /// <summary>The wait that the service asks for, a little longer so that not all come back at once; null where it asks for none.</summary>
    private TimeSpan? AskedFor(Exception? cause)
    {
        if (cause is not RequestFailedException failed || failed.GetRawResponse()?.Headers.TryGetValue("Retry-After", out var text) != true || !uint.TryParse(text, out var seconds))
            return null;
        var asked = TimeSpan.FromSeconds(Math.Min(seconds, Options.Total.TotalSeconds));
        return asked + Options.Retry.Delay * Options.Random();
    }

    private async Task<AzureRange?> TimedAsync(Func<CancellationToken, Task<AzureRange?>> call, CancellationToken cancellationToken)
    {
        var start = Options.Clock.GetTimestamp();
        try
        {
            return await call(cancellationToken);
        }
        finally
        {
            // Also where it was given up: leaving slow ones out would make everything look slow.
            _reads.Add(Options.Clock.GetElapsedTime(start));
        }
    }

    private TimeSpan HedgeAfter(ResilienceContext context)
    {
        var slow = _reads.Slow() is { } usual ? TimeSpan.FromTicks(Math.Max(usual.Ticks, s_soonestHedge.Ticks)) : s_firstHedge;
        context.Properties.Set(s_started, Options.Clock.GetTimestamp());
        context.Properties.Set(s_hedgeAfter, slow);
        return slow;
    }

    /// <summary>A second try only beside one that is slow; one that failed is the retry's concern, which waits first.</summary>
    private Func<ValueTask<Outcome<AzureRange?>>>? Hedge(HedgingActionGeneratorArguments<AzureRange?> args)
    {
        var waited = Options.Clock.GetElapsedTime(args.PrimaryContext.Properties.GetValue(s_started, 0));
        return waited >= args.PrimaryContext.Properties.GetValue(s_hedgeAfter, s_firstHedge) && _budget.TryWithdraw() ? () => args.Callback(args.ActionContext) : null;
    }
}
