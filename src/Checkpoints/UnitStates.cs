using System.Buffers.Binary;
using System.Security.Cryptography;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints;

/// <summary>A unit between its start and its end.</summary>
/// <param name="Number">How many were written until this one, itself included.</param>
public readonly record struct UnitState(int Number, ReadOnlyMemory<byte> Content);

/// <summary>States of long units on their way, under names of the unit and not of an attempt: whoever runs it next goes on from the newest.</summary>
/// <remarks>
/// The state of a number is a function of the unit's key alone, whoever writes it. So a name that is taken holds what would have been written, and a
/// worker whose lease has ended does no harm when it writes on. Numbers have no gaps, since an attempt that cannot write one ends there; that
/// makes the newest findable for those who may not list. Each is sealed with its SHA-256: what is damaged is passed over, and the one before counts.
/// </remarks>
/// <param name="generation">Of the commits that the unit is for: a fresh start begins at the start.</param>
public sealed class UnitStates(IBlobStore store, string tenant, string key, int generation)
{
    private const int Schema = 1;

    /// <returns>Null where there is none that is sound.</returns>
    public async Task<UnitState?> ReadNewestAsync(CancellationToken cancellationToken)
    {
        for (var number = await CountAsync(cancellationToken); number > 0; number--)
        {
            if ((await store.ReadAsync(NameOf(number), cancellationToken))?.Content is { } sealedState && Open(sealedState) is { } content)
                return new UnitState(number, content);
        }

        return null;
    }

    public Task WriteAsync(UnitState state, CancellationToken cancellationToken) =>
        store.CreateAsync(NameOf(state.Number), Seal(state.Content.Span), cancellationToken);

    /// <returns>Null where the content is not what was written, or a newer version wrote it.</returns>
    internal static ReadOnlyMemory<byte>? Open(ReadOnlyMemory<byte> content)
    {
        if (content.Length < sizeof(int) + SHA256.HashSizeInBytes)
            return null;
        var body = content[..^SHA256.HashSizeInBytes];
        if (!SHA256.HashData(body.Span).AsSpan().SequenceEqual(content.Span[body.Length..]) || BinaryPrimitives.ReadInt32LittleEndian(body.Span) != Schema)
            return null;
        return body[sizeof(int)..];
    }

    private string NameOf(int number) => BlobNames.State(BlobNames.StatePrefix(tenant, key), generation, number);

    private static byte[] Seal(ReadOnlySpan<byte> state)
    {
        var content = new byte[sizeof(int) + state.Length + SHA256.HashSizeInBytes];
        BinaryPrimitives.WriteInt32LittleEndian(content, Schema);
        state.CopyTo(content.AsSpan(sizeof(int)));
        var body = content.AsSpan(0, sizeof(int) + state.Length);
        SHA256.HashData(body, content.AsSpan(body.Length));
        return content;
    }

    /// <summary>The highest number that is there: doubled until there is none, then halved in between.</summary>
    private async Task<int> CountAsync(CancellationToken cancellationToken)
    {
        var (there, missing) = (0, 1);
        while (await ExistsAsync(missing, cancellationToken))
            (there, missing) = (missing, checked(missing * 2));
        while (missing - there > 1)
        {
            var middle = there + (missing - there) / 2;
            if (await ExistsAsync(middle, cancellationToken))
                there = middle;
            else
                missing = middle;
        }

        return there;
    }

    private async Task<bool> ExistsAsync(int number, CancellationToken cancellationToken)
    {
        await using var content = await store.OpenReadAsync(NameOf(number), cancellationToken);
        return content is not null;
    }
}
