using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Orchestrator.Compression.Calibration;

/// <summary>
/// Σ x·xᵀ of one layer's inputs, one matrix [columns × columns] a group, summed in double over the products that the runtime computes in
/// float32 batch by batch (algorithms.md 5.2). Sums depend on the order of adding: shards are merged in their order in the plan.
/// </summary>
public sealed class Gram
{
    private readonly double[] _sums;

    /// <summary>An empty sum.</summary>
    public Gram(int groups, int columns)
        : this(groups, columns, new double[checked((long)groups * columns * columns)])
    {
    }

    private Gram(int groups, int columns, double[] sums)
    {
        Groups = groups;
        Columns = columns;
        _sums = sums;
    }

    public int Groups { get; }

    public int Columns { get; }

    /// <summary>The sums as [groups × columns × columns].</summary>
    public ReadOnlySpan<double> Sums => _sums;

    /// <summary>Bytes of <see cref="Write"/>.</summary>
    public long ByteLength => (long)_sums.Length * sizeof(double);

    /// <summary>Adds the product X·Xᵀ of one batch.</summary>
    /// <param name="product">[groups × columns × columns].</param>
    /// <exception cref="ArgumentException">The size differs.</exception>
    public void Add(ReadOnlySpan<float> product)
    {
        if (product.Length != _sums.Length)
            throw new ArgumentException($"{_sums.Length} elements expected, {product.Length} given.", nameof(product));
        for (var i = 0; i < product.Length; i++)
            _sums[i] += product[i];
    }

    /// <summary>Adds the sums of another shard.</summary>
    /// <exception cref="ArgumentException">The size differs.</exception>
    public void Merge(Gram other)
    {
        if (other.Groups != Groups || other.Columns != Columns)
            throw new ArgumentException($"[{Groups} × {Columns} × {Columns}] expected, [{other.Groups} × {other.Columns} × {other.Columns}] given.", nameof(other));
        for (var i = 0; i < _sums.Length; i++)
            _sums[i] += other._sums[i];
    }

    /// <summary>The averaged Hessian H = (2/N)·Σ x·xᵀ as [groups × columns × columns].</summary>
    /// <param name="samples">N: images or sequences, not columns of X.</param>
    public double[] ToHessian(long samples)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(samples, 1);
        var scale = 2d / samples;
        return Array.ConvertAll(_sums, sum => sum * scale);
    }

    /// <summary>Writes the sums as little-endian doubles, the content of a <c>gram</c> blob.</summary>
    public void Write(Stream stream)
    {
        if (BitConverter.IsLittleEndian)
        {
            // Whole rows at a time: the bytes of all sums may be more than a span can hold.
            for (long row = 0; row < (long)Groups * Columns; row++)
                stream.Write(MemoryMarshal.AsBytes(_sums.AsSpan(checked((int)(row * Columns)), Columns)));
            return;
        }

        Span<byte> bytes = stackalloc byte[sizeof(double)];
        foreach (var sum in _sums)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes, sum);
            stream.Write(bytes);
        }
    }

    /// <exception cref="ArgumentException">The content is not groups × columns × columns doubles.</exception>
    public static Gram Read(ReadOnlySpan<byte> content, int groups, int columns)
    {
        var count = checked((long)groups * columns * columns);
        if (content.Length != count * sizeof(double))
            throw new ArgumentException($"{count} doubles expected, {content.Length} bytes given.", nameof(content));
        var sums = new double[count];
        for (var i = 0; i < sums.Length; i++)
            sums[i] = BinaryPrimitives.ReadDoubleLittleEndian(content[(i * sizeof(double))..]);
        return new Gram(groups, columns, sums);
    }
}
