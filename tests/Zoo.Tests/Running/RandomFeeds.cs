using System.Runtime.InteropServices;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Zoo.Tests.Running;

/// <summary>Random content for the inputs of a session.</summary>
/// <param name="seed">The same seed and inputs give the same content.</param>
internal sealed class RandomFeeds(int seed)
{
    private readonly Random _random = new(seed);

    /// <summary>Sizes for open dimensions: the first axis is the batch.</summary>
    public long Batch { get; init; } = 1;

    public long Size { get; init; } = 32;

    /// <summary>Shapes of inputs whose open dimensions cannot be chosen freely.</summary>
    public IReadOnlyDictionary<string, long[]> Shapes { get; init; } = new Dictionary<string, long[]>();

    /// <summary>Whether real inputs are pixels from 0 to 255.</summary>
    public bool IsImage { get; init; }

    /// <summary>Exclusive upper bound of integers: the size of a vocabulary.</summary>
    public int Integers { get; init; } = 2;

    /// <summary>One value for all elements of an integer input.</summary>
    public IReadOnlyDictionary<string, long> Constants { get; init; } = new Dictionary<string, long>();

    public IReadOnlyList<Feed> For(IEnumerable<ValueDescription> inputs) => [.. inputs.Select(For)];

    private Feed For(ValueDescription input)
    {
        var shape = Shapes.GetValueOrDefault(input.Name) ?? [.. input.Shape.Select((d, axis) => d >= 0 ? d : axis == 0 ? Batch : Size)];
        var count = (int)shape.Aggregate(1L, (a, d) => a * d);
        return new Feed(input.Name, input.ElementType, shape, input.ElementType switch
        {
            ElementType.Float => Bytes(count, () => (float)Real()),
            ElementType.Double => Bytes(count, Real),
            ElementType.Float16 => Bytes(count, () => (Half)Real()),
            ElementType.Int64 => Bytes(count, () => Constants.TryGetValue(input.Name, out var value) ? value : _random.Next(Integers)),
            ElementType.Int32 => Bytes(count, () => _random.Next(Integers)),
            ElementType.UInt8 => Bytes(count, () => (byte)_random.Next(256)),
            ElementType.Int8 => Bytes(count, () => (sbyte)_random.Next(-128, 128)),
            ElementType.Bool => Bytes(count, () => (byte)_random.Next(2)),
            _ => throw new NotSupportedException($"no random values of type {input.ElementType}"),
        });
    }

    private double Real() => IsImage ? _random.Next(256) : Normal();

    /// <summary>About normal: the sum of four uniform numbers.</summary>
    private double Normal() => (_random.NextDouble() + _random.NextDouble() + _random.NextDouble() + _random.NextDouble() - 2) * 1.7;

    private static byte[] Bytes<T>(int count, Func<T> next)
        where T : unmanaged
    {
        var values = new T[count];
        for (var i = 0; i < count; i++)
            values[i] = next();
        return MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
    }
}
