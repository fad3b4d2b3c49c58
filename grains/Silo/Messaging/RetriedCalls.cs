using Orleans;
using Orleans.Runtime;
using Polly;
using Polly.Retry;

namespace Orchestrator.Silo.Messaging;

/// <summary>
/// Calls of our grains whose outcome is unknown are made again. Every command of ours is idempotent: starts join, offers, ends and stops
/// that are known change nothing, and a lease that nobody heard of ends by itself.
/// </summary>
internal sealed class RetriedCalls : IOutgoingGrainCallFilter
{
    private const string OurInterfaces = "Orchestrator.";

    /// <summary>Some seconds beyond what it takes until a dead silo is known to be dead.</summary>
    private const int MaxRetries = 12;

    private static readonly TimeSpan s_first = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_longest = TimeSpan.FromSeconds(5);

    private readonly ResiliencePipeline _pipeline;

    private readonly CancellationToken _stopping;

    /// <param name="stopping">The silo ends: nobody can be reached from it any more.</param>
    public RetriedCalls(TimeProvider clock, CancellationToken stopping)
    {
        _stopping = stopping;
        _pipeline = new ResiliencePipelineBuilder { TimeProvider = clock }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<Exception>(failure => CallFailure.IsTransient(failure) && !stopping.IsCancellationRequested),
                MaxRetryAttempts = MaxRetries,
                BackoffType = DelayBackoffType.Exponential,
                Delay = s_first,
                MaxDelay = s_longest,
                UseJitter = true,
            })
            .Build();
    }

    public async Task Invoke(IOutgoingGrainCallContext context)
    {
        // Grains that end with their silo still have something to say.
        if (_stopping.IsCancellationRequested || !context.InterfaceName.StartsWith(OurInterfaces, StringComparison.Ordinal))
        {
            await context.Invoke();
            return;
        }

        // On the grain's own scheduler throughout: whoever sends is found by where the code runs.
        var scope = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, _stopping);
        try
        {
            await _pipeline.ExecuteAsync(static async (_, call) =>
            {
                await call.Invoke();
                // Answers that are failures come as answers.
                if (call.Response?.Exception is { } failure && CallFailure.IsTransient(failure))
                    throw failure;
            }, scope, context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(scope);
        }
    }
}
