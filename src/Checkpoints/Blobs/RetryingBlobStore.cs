using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints.Telemetry;
using Polly;
using Polly.Retry;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>How often and how patiently an operation of a store is tried again: exponential back-off with jitter.</summary>
/// <param name="Retries">Tries after the first.</param>
/// <param name="Delay">Wait before the second try, about doubled each time.</param>
/// <param name="MaxDelay">Upper bound of a wait.</param>
public sealed record StoreRetryOptions(int Retries, TimeSpan Delay, TimeSpan MaxDelay)
{
    public static StoreRetryOptions Default { get; } = new(5, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(20));
}

/// <summary>
/// Tries operations of a store again that failed for a moment. An operation whose answer was lost may have been carried out: a create or
/// a replacement then reports a conflict, which callers of any store have to read back and compare (see <see cref="IBlobStore"/>).
/// </summary>
/// <remarks>Not tried again: what the store refuses for good (no right to write, no space, read-only) and what the caller did wrong.</remarks>
public sealed class RetryingBlobStore : IBlobStore
{
    // What the operating system says when no later try of the same write would fare better, until a person makes room.
    private const int FileTooLarge = 27;
    private const int NoSpace = 28;
    private const int ReadOnly = 30;
    private const int QuotaExceeded = 122;

    private readonly IBlobStore _inner;
    private readonly ResiliencePipeline _pipeline;

    /// <param name="random">For the jitter; 0 to 1.</param>
    /// <param name="instruments">Null where tries are not counted.</param>
    public RetryingBlobStore(IBlobStore inner, StoreRetryOptions options, TimeProvider clock, Func<double> random, StoreInstruments? instruments = null)
    {
        _inner = inner;
        _pipeline = new ResiliencePipelineBuilder { Name = "blob", TimeProvider = clock, TelemetryListener = instruments?.Resilience }
            .AddRetry(new RetryStrategyOptions
            {
                ShouldHandle = new PredicateBuilder().Handle<IOException>(IsTransient),
                MaxRetryAttempts = options.Retries,
                BackoffType = DelayBackoffType.Exponential,
                UseJitter = true,
                Delay = options.Delay,
                MaxDelay = options.MaxDelay,
                Randomizer = random,
            })
            .Build();
    }

    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync(token => _inner.ReadAsync(name, token), cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync(token => _inner.OpenReadAsync(name, token), cancellationToken);

    public string? FindFile(string name) => _inner.FindFile(name);

    public void NoteDamage(string name) => _inner.NoteDamage(name);

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        RunAsync(token => _inner.CreateAsync(name, content, token), cancellationToken);

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
        RunAsync(token => _inner.CreateAsync(name, write, token), cancellationToken);

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) =>
        RunAsync(token => _inner.ReplaceAsync(name, content, etag, token), cancellationToken);

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => RunAsync(
        async token =>
        {
            await _inner.DeleteAsync(name, token);
            return true;
        },
        cancellationToken);

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var list = new ResumingList(_inner, prefix, cancellationToken);
        try
        {
            while (await RunAsync(_ => list.NextAsync(), cancellationToken) is { } entry)
                yield return entry;
        }
        finally
        {
            await list.CloseAsync();
        }
    }

    private static bool IsTransient(IOException cause) => cause.HResult is not (FileTooLarge or NoSpace or ReadOnly or QuotaExceeded);

    private async Task<T> RunAsync<T>(Func<CancellationToken, Task<T>> call, CancellationToken cancellationToken)
    {
        // Callers run on schedulers of their own (a grain's turn, a slot's thread) and have to come back to them.
        var context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, cancellationToken);
        try
        {
            return await _pipeline.ExecuteAsync(async c => await call(c.CancellationToken), context);
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
        }
    }

    /// <summary>A listing that, begun anew after a failure, goes on behind the last entry that was seen.</summary>
    private sealed class ResumingList(IBlobStore store, string prefix, CancellationToken cancellationToken)
    {
        private IAsyncEnumerator<BlobEntry>? _entries;
        private string? _last;

        /// <returns>Null at the end.</returns>
        public async Task<BlobEntry?> NextAsync()
        {
            try
            {
                _entries ??= store.ListAsync(prefix, cancellationToken).GetAsyncEnumerator(cancellationToken);
                while (await _entries.MoveNextAsync())
                {
                    if (_last is not null && string.CompareOrdinal(_entries.Current.Name, _last) <= 0)
                        continue;
                    _last = _entries.Current.Name;
                    return _entries.Current;
                }

                return null;
            }
            catch
            {
                await CloseAsync();
                throw;
            }
        }

        public async Task CloseAsync()
        {
            if (_entries is { } open)
            {
                _entries = null;
                await open.DisposeAsync();
            }
        }
    }
}
