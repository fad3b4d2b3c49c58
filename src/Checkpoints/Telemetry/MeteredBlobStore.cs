using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Telemetry;

namespace Orchestrator.Checkpoints.Telemetry;

/// <summary>A store whose writes and damage are counted. Goes outermost, so that a write is measured with all its tries.</summary>
public sealed class MeteredBlobStore(IBlobStore inner, StoreInstruments instruments, TimeProvider clock) : IBlobStore
{
    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => inner.ReadAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

    public string? FindFile(string name) => inner.FindFile(name);

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => instruments.MeasuresWrites
        ? MeasureAsync(name, () => inner.CreateAsync(name, content, cancellationToken), created => created, () => content.Length)
        : inner.CreateAsync(name, content, cancellationToken);

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        if (!instruments.MeasuresWrites)
            return inner.CreateAsync(name, write, cancellationToken);
        var written = 0L;
        return MeasureAsync(name, () => inner.CreateAsync(name, WriteAsync, cancellationToken), created => created, () => written);

        async Task WriteAsync(Stream stream, CancellationToken token)
        {
            await using var counted = new HashingStream(stream, hashes: false);
            await write(counted, token);
            await counted.FlushAsync(token);
            written = counted.Position;
        }
    }

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => instruments.MeasuresWrites
        ? MeasureAsync(name, () => inner.ReplaceAsync(name, content, etag, cancellationToken), version => version is not null, () => content.Length)
        : inner.ReplaceAsync(name, content, etag, cancellationToken);

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);

    public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    public void NoteDamage(string name)
    {
        instruments.Damaged(name);
        inner.NoteDamage(name);
    }

    /// <param name="isWritten">Whether the answer says that something was written; what was taken already is no write.</param>
    private async Task<T> MeasureAsync<T>(string name, Func<Task<T>> write, Func<T, bool> isWritten, Func<long> bytes)
    {
        var start = clock.GetTimestamp();
        var result = Labels.Error;
        try
        {
            var answer = await write();
            result = isWritten(answer) ? Labels.Success : Labels.Conflict;
            return answer;
        }
        catch (OperationCanceledException)
        {
            result = Labels.Cancellation;
            throw;
        }
        finally
        {
            instruments.Written(name, clock.GetElapsedTime(start), bytes(), result);
        }
    }
}
