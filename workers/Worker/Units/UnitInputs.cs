using System.Runtime.InteropServices;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>A unit's input blobs by role, as typed values.</summary>
internal sealed class UnitInputs(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
{
    public CancellationToken CancellationToken => cancellationToken;

    public IUnitContext Context => context;

    public bool Has(string role) => unit.Inputs.Any(input => input.Role == role);

    public IEnumerable<BlobRef> All(string role) => unit.Inputs.Where(input => input.Role == role).Select(input => input.Blob);

    public BlobRef Single(string role) => All(role).SingleOrDefault()
        ?? throw new InvalidOperationException($"Unit '{unit.Id}' has no single input '{role}'.");

    public ValueTask<ReadOnlyMemory<byte>> BytesAsync(BlobRef blob) => context.ReadAsync(blob, cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>> BytesAsync(string role) => BytesAsync(Single(role));

    /// <summary>The content of a blob that is an input of this unit alone.</summary>
    public ValueTask<ReadOnlyMemory<byte>> BytesOnceAsync(BlobRef blob) => context.ReadOnceAsync(blob, cancellationToken);

    /// <summary>A model, its weights in blobs of their own not read before they are looked at. A written model's lie together in <see cref="Roles.ModelData"/>.</summary>
    public Task<OnnxModel> ModelAsync(BlobRef blob) => ModelAsync(blob, context.FileOf);

    /// <param name="blob">The model's own.</param>
    /// <param name="fileOf">Whom to ask for the files of its weights, for a model that outlasts this unit.</param>
    public async Task<OnnxModel> ModelAsync(BlobRef blob, Func<BlobRef, string> fileOf) =>
        ModelPreparation.Load((await BytesAsync(blob)).Span, Roles.Model, location => Weights(blob, location, fileOf));

    private ExternalFile Weights(BlobRef model, string location, Func<BlobRef, string> fileOf)
    {
        if (location == ExternalWeights.FileName)
        {
            var data = Single(Roles.ModelData);
            return new ExternalFile(location, data.Length, () => File.OpenHandle(fileOf(data)));
        }

        // Its length is found out with its digest.
        var weights = new BlobRef(model.Name[..(model.Name.LastIndexOf('/') + 1)] + location, location, long.MaxValue);
        return new ExternalFile(location, weights.Length, () => File.OpenHandle(fileOf(weights)));
    }

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
