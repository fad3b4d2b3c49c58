namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>A blob from its start, range by range; the next one is on its way while one is read. A range that breaks off is asked for again, of the same version only.</summary>
internal sealed class AzureReadStream : Stream
{
    private readonly AzureTransfer _transfer;
    private readonly AzureBlob _blob;
    private readonly AzureRange _first;
    private readonly CancellationTokenSource _closed = new();
    private AzureRange? _current;
    private int _read;
    private long _requested;
    private long _position;
    private Task<AzureRange?>? _next;

    public AzureReadStream(AzureTransfer transfer, AzureBlob blob, AzureRange first)
    {
        (_transfer, _blob, _first, _current) = (transfer, blob, first, first);
        _requested = first.Length;
        RequestNext();
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => _first.Total;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (buffer.Length == 0)
            return 0;
        ObjectDisposedException.ThrowIf(_closed.IsCancellationRequested, this);
        if (_read == _current!.Length)
        {
            if (_next is not { } next)
                return 0;
            var range = await next.WaitAsync(cancellationToken);
            _current.Release();
            (_current, _read) = (range!, 0);
            RequestNext();
        }

        var count = Math.Min(buffer.Length, _current.Length - _read);
        _current.Buffer.AsSpan(_read, count).CopyTo(buffer.Span);
        (_read, _position) = (_read + count, _position + count);
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    // Waits beside the caller's scheduler, which it blocks.
    public override int Read(byte[] buffer, int offset, int count) =>
        Task.Run(() => ReadAsync(buffer.AsMemory(offset, count)).AsTask()).GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed.IsCancellationRequested)
        {
            _closed.Cancel();
            // Whatever becomes of it, nobody waits for it any more.
            _ = _next?.ContinueWith(static gone => gone.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            _current!.Release();
            _current = null;
        }

        base.Dispose(disposing);
    }

    private void RequestNext()
    {
        if (_requested == _first.Total)
        {
            _next = null;
            return;
        }

        var at = _requested;
        _requested = Math.Min(_first.Total, at + _transfer.BlockBytes);
        _next = _transfer.RangeAsync(_blob, at, _first, _closed.Token);
    }
}
