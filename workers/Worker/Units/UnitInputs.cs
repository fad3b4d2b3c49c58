using System.Runtime.InteropServices;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>A unit's input blobs by role, as typed values.</summary>
internal sealed class UnitInputs(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
{
    public CancellationToken CancellationToken => cancellationToken;

    public bool Has(string role) => unit.Inputs.Any(input => input.Role == role);

    public IEnumerable<BlobRef> All(string role) => unit.Inputs.Where(input => input.Role == role).Select(input => input.Blob);

    public BlobRef Single(string role) => All(role).SingleOrDefault()
        ?? throw new InvalidOperationException($"Unit '{unit.Id}' has no single input '{role}'.");

    public ValueTask<ReadOnlyMemory<byte>> BytesAsync(BlobRef blob) => context.ReadAsync(blob, cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>> BytesAsync(string role) => BytesAsync(Single(role));

    /// <summary>The values of every blob of a role, one behind the other.</summary>
    public async Task<T[]> ValuesAsync<T>(string role)
        where T : unmanaged
    {
        var parts = new List<ReadOnlyMemory<byte>>();
        foreach (var blob in All(role))
            parts.Add(await BytesAsync(blob));
        var values = new T[parts.Sum(part => part.Length) / Marshal.SizeOf<T>()];
        var next = MemoryMarshal.AsBytes(values.AsSpan());
        foreach (var part in parts)
        {
            part.Span.CopyTo(next);
            next = next[part.Length..];
        }

        return values;
    }

    /// <summary>Some rows of a matrix whose rows lie in the blobs of a role one behind the other.</summary>
    /// <param name="skip">Rows in the blobs before the first one wanted.</param>
    public async Task<Matrix<float>> RowsAsync(string role, int skip, int rows, int columns)
    {
        var values = await ValuesAsync<float>(role);
        return Matrix<float>.FromRows(values.AsSpan(skip * columns, rows * columns), rows, columns);
    }
}

/// <summary>Typed values as the bytes of an output blob.</summary>
internal static class UnitOutputs
{
    public static Task WriteValuesAsync<T>(this IUnitContext context, string role, T[] values, CancellationToken cancellationToken)
        where T : unmanaged =>
        context.WriteAsync(role, MemoryMarshal.AsBytes(values.AsSpan()).ToArray(), cancellationToken);
}
