using System.Buffers;
using System.Globalization;
using Azure;
using Azure.Storage;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>Reading and writing one blob, request by request, each through the pipelines.</summary>
internal sealed class AzureTransfer(AzureStoreOptions options)
{
    /// <summary>The most that a service takes in one request: 5,000 MiB.</summary>
    public const long MaxPutBytes = 5_000L << 20;

    private const int LeastPooled = 1 << 20;

    private static readonly UploadTransferValidationOptions s_checked = new() { ChecksumAlgorithm = StorageChecksumAlgorithm.MD5 };

    public AzurePipelines Pipelines { get; } = new(options);

    public int BlockBytes => options.BlockBytes;

    public int BlocksInFlight => options.BlocksInFlight;

    /// <returns>Null where there is no such blob.</returns>
    public async Task<(byte[] Content, ETag ETag)?> ReadAsync(AzureBlob blob, CancellationToken cancellationToken)
    {
        if (await RangeAsync(blob, 0, null, cancellationToken) is not { } first)
            return null;
        if (first.Total == first.Length && !first.IsPooled)
            return (first.Buffer, first.ETag);
        if (first.Total > Array.MaxLength)
            throw new IOException($"'{blob.Name}' has {first.Total} bytes: too many to be held in memory.");
        var content = new byte[first.Total];
        var at = Take(first, content);
        while (at < content.Length)
            at += Take((await RangeAsync(blob, at, first, cancellationToken))!, content.AsSpan(at));

        return (content, first.ETag);
    }

    /// <returns>Null where there is no such blob.</returns>
    public async Task<Stream?> OpenReadAsync(AzureBlob blob, CancellationToken cancellationToken) =>
        await RangeAsync(blob, 0, null, cancellationToken) is { } first ? new AzureReadStream(this, blob, first) : null;

    /// <summary>A block's bytes from an offset on.</summary>
    /// <param name="first">What was read before: the rest must be of the same version.</param>
    /// <returns>Null where there is no such blob and nothing was read before.</returns>
    public async Task<AzureRange?> RangeAsync(AzureBlob blob, long offset, AzureRange? first, CancellationToken cancellationToken)
    {
        var length = first is null ? BlockBytes : Math.Min(BlockBytes, first.Total - offset);
        try
        {
            return await RunAsync(blob, client => Pipelines.ReadAsync(length, token => DownloadAsync(client, new HttpRange(offset, length), first?.ETag, token), cancellationToken), cancellationToken);
        }
        catch (RequestFailedException failed) when (AzureFailure.IsAbsent(failed) && first is null)
        {
            return null;
        }
        catch (RequestFailedException failed) when (AzureFailure.IsAbsent(failed) || AzureFailure.IsConflict(failed))
        {
            throw new IOException($"'{blob.Name}' was deleted or created anew while it was read.");
        }
        catch (RequestFailedException failed) when (failed.Status == 416 && offset == 0)
        {
            // An empty blob has no range, not even the first.
            return await RunAsync(blob, client => Pipelines.ReadAsync(0, token => DownloadAsync(client, default, null, token), cancellationToken), cancellationToken);
        }
    }

    /// <summary>Writes a blob in one request.</summary>
    /// <param name="open">Opens the content; called for every try.</param>
    /// <returns>The version; null where the condition is not met.</returns>
    public async Task<string?> PutAsync(AzureBlob blob, long length, Func<Stream> open, BlobRequestConditions conditions, CancellationToken cancellationToken)
    {
        var upload = new BlobUploadOptions
        {
            Conditions = conditions,
            TransferOptions = new StorageTransferOptions { InitialTransferSize = MaxPutBytes, MaximumTransferSize = MaxPutBytes },
            TransferValidation = s_checked,
        };
        return await UnlessTakenAsync(blob, client => Pipelines.CallAsync(length, async token =>
        {
            await using var content = open();
            var written = await client.UploadAsync(content, upload, token);
            return written.Value.ETag.ToString();
        }, cancellationToken), cancellationToken);
    }

    public Task StageAsync(AzureBlob blob, string id, byte[] buffer, int count, CancellationToken cancellationToken) =>
        RunAsync(blob, client => Pipelines.CallAsync(count, async token =>
        {
            using var content = new MemoryStream(buffer, 0, count, writable: false);
            return await client.StageBlockAsync(id, content, new BlockBlobStageBlockOptions { TransferValidation = s_checked }, token);
        }, cancellationToken), cancellationToken);

    /// <summary>Makes a blob of staged blocks: all of them or none become visible.</summary>
    /// <returns>Null where the name is taken.</returns>
    public async Task<string?> CommitAsync(AzureBlob blob, IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        var create = new CommitBlockListOptions { Conditions = new BlobRequestConditions { IfNoneMatch = ETag.All } };
        try
        {
            return await UnlessTakenAsync(blob, client => Pipelines.CallAsync(0, async token => (await client.CommitBlockListAsync(ids, create, token)).Value.ETag.ToString(), cancellationToken), cancellationToken);
        }
        catch (RequestFailedException failed) when (failed.ErrorCode == "InvalidBlockList")
        {
            // Whoever commits a name drops the blocks that others have staged for it.
            if (await RangeAsync(blob, 0, null, cancellationToken) is not null)
                return null;
            throw new StoreException($"The blocks of '{blob.Name}' are gone before they were made a blob.", 0, null);
        }
    }

    /// <summary>Makes calls with the right to a blob, which is renewed once where the service refuses it.</summary>
    /// <remarks>Answers that callers tell apart come as they are, all others as exceptions of a store.</remarks>
    public async Task<T> RunAsync<T>(AzureBlob blob, Func<BlockBlobClient, Task<T>> call, CancellationToken cancellationToken)
    {
        try
        {
            try
            {
                return await call(await blob.ClientAsync(cancellationToken));
            }
            catch (RequestFailedException refused) when (AzureFailure.IsRefused(refused) && !AzureFailure.IsConflict(refused) && blob.Renew())
            {
                return await call(await blob.ClientAsync(cancellationToken));
            }
        }
        catch (RequestFailedException told) when (AzureFailure.IsConflict(told) || AzureFailure.IsAbsent(told) || told.Status == 416 || told.ErrorCode == "InvalidBlockList")
        {
            throw;
        }
        catch (Exception cause) when (AzureFailure.Of(cause, blob.Name, blob.Ends is { } ends && ends <= options.Clock.GetUtcNow() ? ends : null) is { } failure)
        {
            throw failure;
        }
    }

    private async Task<string?> UnlessTakenAsync(AzureBlob blob, Func<BlockBlobClient, Task<string>> write, CancellationToken cancellationToken)
    {
        try
        {
            return await RunAsync(blob, write, cancellationToken);
        }
        catch (RequestFailedException failed) when (AzureFailure.IsConflict(failed) || AzureFailure.IsAbsent(failed))
        {
            return null;
        }
    }

    private static async Task<AzureRange?> DownloadAsync(BlockBlobClient client, HttpRange range, ETag? version, CancellationToken cancellationToken)
    {
        var download = new BlobDownloadOptions { Range = range, Conditions = version is null ? null : new BlobRequestConditions { IfMatch = version } };
        using var answer = (await client.DownloadStreamingAsync(download, cancellationToken)).Value;
        var length = checked((int)answer.Details.ContentLength);
        // Whole blocks come by the hundred, documents are kept by their readers. What a failed try has rented is left to the collector.
        var isPooled = length >= LeastPooled;
        var content = isPooled ? ArrayPool<byte>.Shared.Rent(length) : new byte[length];
        if (await answer.Content.ReadAtLeastAsync(content.AsMemory(0, length), length, throwOnEndOfStream: false, cancellationToken) < length)
            throw new IOException("fewer bytes came than were announced");
        return new AzureRange(content, length, answer.Details.ETag, TotalOf(answer.Details), isPooled);
    }

    private static int Take(AzureRange range, Span<byte> target)
    {
        range.Buffer.AsSpan(0, range.Length).CopyTo(target);
        range.Release();
        return range.Length;
    }

    private static long TotalOf(BlobDownloadDetails details) =>
        details.ContentRange?.LastIndexOf('/') is >= 0 and var slash ? long.Parse(details.ContentRange.AsSpan(slash + 1), CultureInfo.InvariantCulture) : details.ContentLength;
}
