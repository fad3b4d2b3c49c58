using System.Net;

namespace Orchestrator.Cli.Cluster;

/// <summary>An upload that is written piece by piece: tells what moved, and keeps faults of the source apart from those of the network.</summary>
/// <param name="write">Writes the whole content.</param>
/// <param name="moved">Told the bytes of each piece.</param>
internal sealed class BlobContent(long length, Func<Stream, CancellationToken, Task> write, Action<int> moved) : HttpContent
{
    /// <summary>Why the source could not be read; null where it could.</summary>
    public Exception? SourceFault { get; private set; }

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        await using var metered = new MeteredStream(stream, moved);
        try
        {
            await write(metered, cancellationToken);
        }
        catch (Exception fault) when (!metered.HasFailed && fault is not OperationCanceledException)
        {
            SourceFault = fault;
            throw;
        }
    }

    protected override bool TryComputeLength(out long computed)
    {
        computed = length;
        return true;
    }

    /// <summary>Writes through, and knows whether it was the target that failed.</summary>
    private sealed class MeteredStream(Stream target, Action<int> moved) : Stream
    {
        public bool HasFailed { get; private set; }

        public override bool CanRead => false;
        public override bool CanSeek => false;
        public override bool CanWrite => true;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                await target.WriteAsync(buffer, cancellationToken);
            }
            catch
            {
                HasFailed = true;
                throw;
            }

            moved(buffer.Length);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
