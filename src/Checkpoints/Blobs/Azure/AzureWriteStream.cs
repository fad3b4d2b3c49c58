using System.Buffers;
using System.Buffers.Binary;
using Azure;
using Azure.Storage.Blobs.Models;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>
/// Content of a new blob that comes piece by piece: blocks are staged while it comes, then made a blob in one conditional request. Nothing
/// is visible before; what was staged in vain is dropped by the service. Holds one block more than are on their way.
/// </summary>
internal sealed class AzureWriteStream(AzureTransfer transfer, AzureBlob blob, CancellationToken cancellationToken) : Stream
{
    private readonly Guid _upload = Guid.NewGuid();
    private readonly List<string> _ids = [];
    private readonly Queue<Task> _underWay = new();
    private byte[]? _block;
    private int _filled;

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => (long)_ids.Count * transfer.BlockBytes + _filled;
        set => throw new NotSupportedException();
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken token = default)
    {
        while (buffer.Length > 0)
        {
            if (_filled == transfer.BlockBytes)
                await StageAsync(token);
            buffer = buffer[Fill(buffer.Span)..];
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken token) =>
        WriteAsync(buffer.AsMemory(offset, count), token).AsTask();

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (buffer.Length > 0)
        {
            // Waits beside the caller's scheduler, which it blocks.
            if (_filled == transfer.BlockBytes)
                Task.Run(() => StageAsync(cancellationToken)).GetAwaiter().GetResult();
            buffer = buffer[Fill(buffer)..];
        }
    }

    /// <summary>All content has come.</summary>
    /// <returns>False where the name is taken.</returns>
    public async Task<bool> CompleteAsync()
    {
        if (_ids.Count == 0)
        {
            var create = new BlobRequestConditions { IfNoneMatch = ETag.All };
            return await transfer.PutAsync(blob, _filled, () => new MemoryStream(_block ?? [], 0, _filled, writable: false), create, cancellationToken) is not null;
        }

        await StageAsync(cancellationToken);
        while (_underWay.TryDequeue(out var staged))
            await staged;
        return await transfer.CommitAsync(blob, _ids, cancellationToken) is not null;
    }

    /// <summary>Waits for what is under way, whatever becomes of it: its buffers go back to the pool.</summary>
    public override async ValueTask DisposeAsync()
    {
        while (_underWay.TryDequeue(out var staged))
            await staged.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (_block is { } block)
            ArrayPool<byte>.Shared.Return(block);
        _block = null;
        await base.DisposeAsync();
    }

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken token) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private int Fill(ReadOnlySpan<byte> buffer)
    {
        _block ??= ArrayPool<byte>.Shared.Rent(transfer.BlockBytes);
        var count = Math.Min(buffer.Length, transfer.BlockBytes - _filled);
        buffer[..count].CopyTo(_block.AsSpan(_filled));
        _filled += count;
        return count;
    }

    private async Task StageAsync(CancellationToken token)
    {
        if (_underWay.Count == transfer.BlocksInFlight)
            await _underWay.Dequeue().WaitAsync(token);
        var (block, count) = (_block!, _filled);
        (_block, _filled) = (null, 0);
        _ids.Add(IdOf(_ids.Count));
        _underWay.Enqueue(StageAsync(_ids[^1], block, count));
    }

    private async Task StageAsync(string id, byte[] block, int count)
    {
        try
        {
            await transfer.StageAsync(blob, id, block, count, cancellationToken);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }
    }

    /// <summary>Ids of one blob have one length, and no other upload may use the same.</summary>
    private string IdOf(int number)
    {
        Span<byte> id = stackalloc byte[20];
        _upload.TryWriteBytes(id);
        BinaryPrimitives.WriteInt32BigEndian(id[16..], number);
        return Convert.ToBase64String(id);
    }
}
