using System.Text.Json;
using Orchestrator.Compression.Grids;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>Grids of activations as a step-sizes blob has them: JSON, in the order given. Equal grids have equal bytes.</summary>
public static class ActivationGrids
{
    private const int Schema = 1;

    public static byte[] ToBytes(IReadOnlyList<ActivationGrid> grids) => JsonSerializer.SerializeToUtf8Bytes(new Document(Schema, grids), CanonicalJson.Options);

    /// <exception cref="InvalidDataException">It is no step-sizes blob, or holds what is no grid or one value twice.</exception>
    public static IReadOnlyList<ActivationGrid> Open(ReadOnlySpan<byte> bytes)
    {
        Document? document;
        try
        {
            document = JsonSerializer.Deserialize<Document>(bytes, CanonicalJson.Options);
        }
        catch (JsonException e)
        {
            throw new InvalidDataException("The step sizes are damaged.", e);
        }

        if (document is not { Schema: Schema, Grids: { } grids })
            throw new InvalidDataException($"The step sizes have format {document?.Schema}, and this program reads {Schema}.");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var grid in grids)
            Check(grid, seen);
        return grids;
    }

    /// <summary>The grids of several blobs in one: a later one's replace those that earlier ones have for the same value.</summary>
    /// <exception cref="InvalidDataException">One of them is damaged.</exception>
    public static IReadOnlyList<ActivationGrid> Merge(IEnumerable<ReadOnlyMemory<byte>> blobs)
    {
        var merged = new OrderedDictionary<string, ActivationGrid>(StringComparer.Ordinal);
        foreach (var grid in blobs.SelectMany(blob => Open(blob.Span)))
            merged[grid.Value] = grid;
        return [.. merged.Values];
    }

    private static void Check(ActivationGrid? grid, HashSet<string> seen)
    {
        if (grid is null || string.IsNullOrEmpty(grid.Value) || !seen.Add(grid.Value))
            throw new InvalidDataException($"The step sizes name no value, or '{grid?.Value}' twice.");
        if (grid.Bits is < GridFit.MinimumBits or > GridFit.MaximumBits || !float.IsFinite(grid.Scale) || grid.Scale <= 0 || grid.Zero < 0 || grid.Zero > grid.MaximumCode)
            throw new InvalidDataException($"The step sizes have no grid for '{grid.Value}': {grid.Bits} bits, a step of {grid.Scale}, code {grid.Zero} for 0.");
    }

    private sealed record Document(int Schema, IReadOnlyList<ActivationGrid> Grids);
}
