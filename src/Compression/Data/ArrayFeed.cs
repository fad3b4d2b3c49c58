using System.Numerics;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Data;

/// <summary>Reads one array from a sample on, as the values of one model input.</summary>
internal sealed class ArrayFeed : IDisposable
{
    private const int SkipChunk = 1 << 16;

    private readonly string _subject;
    private readonly NpyHeader _header;
    private readonly ElementType _target;
    private readonly ChannelScaling _scaling;
    private readonly Stream _stream;
    private readonly int _sampleElements;
    private long _position;
    private byte[] _bytes = [];
    private Array? _values;

    private ArrayFeed(DataFile file, string array, ElementType target, Preprocess preprocess, int first)
    {
        _subject = file.SubjectOf(array);
        _header = file.Arrays[array];
        _target = target;
        _scaling = new ChannelScaling(preprocess, _header.Shape);
        _sampleElements = checked((int)(_header.Count / Math.Max(1, _header.Shape[0])));
        _stream = file.OpenElements(array);
        Skip((long)first * _sampleElements * _header.Type.Size());
        _position = (long)first * _sampleElements;
    }

    public static ArrayFeed Open(DataFile file, string array, ValueDescription input, Preprocess preprocess, int first) =>
        new(file, array, input.ElementType, preprocess, first);

    public static ArrayFeed OpenLabels(DataFile file, int first) => new(file, DataFile.Labels, ElementType.Int64, new Preprocess(), first);

    /// <exception cref="InputException">The array cannot feed the input.</exception>
    public static void Check(ValueDescription input, NpyHeader header, string subject, Preprocess preprocess)
    {
        var shape = string.Join(", ", input.Shape.Select(dimension => dimension < 0 ? "?" : dimension.ToString()));
        if (header.Shape.Count == 0 || (input.Shape.Count > 0 && !Fits(header.Shape, input.Shape)))
        {
            throw new InputException(
                "data-shape", subject, $"'{subject}' is {header}, which does not fit the model's input '{input.Name}' [{shape}].",
                "Give one sample per entry of the first dimension; the other dimensions must be the input's.");
        }

        var isReal = input.ElementType is ElementType.Float or ElementType.Double or ElementType.Float16;
        var isInteger = input.ElementType is ElementType.Int64 or ElementType.Int32 or ElementType.UInt8 or ElementType.Int8 or ElementType.Bool;
        if (!isReal && !(isInteger && !header.Type.IsFloat()))
        {
            throw new InputException(
                "data-type", subject, $"'{subject}' is {header.Type.Display()}, but the model's input '{input.Name}' takes {input.ElementType}.",
                "Convert the array with astype.");
        }

        if (isReal)
            ChannelScaling.Check(preprocess, header.Shape, subject);
        if (header.Count / Math.Max(1, header.Shape[0]) > Array.MaxLength / sizeof(double))
            throw NpyHeader.Malformed(subject, $"is {header}, a single sample of which exceeds memory");
    }

    /// <summary>The next samples as a value over a buffer that the next call overwrites.</summary>
    /// <exception cref="InputException">NaN or infinity, an integer that does not fit, or a damaged file.</exception>
    public OrtValue Read(int samples)
    {
        long[] shape = [samples, .. _header.Shape.Skip(1)];
        var bytes = ReadBytes(samples);
        return _target switch
        {
            ElementType.Float => Value(samples, shape, (float[] target) => Scale(bytes, target, value => (float)value)),
            ElementType.Double => Value(samples, shape, (double[] target) => Scale(bytes, target, value => value)),
            ElementType.Float16 => Value(samples, shape, (Half[] target) => Scale(bytes, target, value => (Half)value)),
            ElementType.Int64 => Value(samples, shape, (long[] target) => Cast(bytes, target, value => value)),
            ElementType.Int32 => Value(samples, shape, (int[] target) => Cast(bytes, target, value => checked((int)value))),
            ElementType.UInt8 => Value(samples, shape, (byte[] target) => Cast(bytes, target, value => checked((byte)value))),
            ElementType.Int8 => Value(samples, shape, (sbyte[] target) => Cast(bytes, target, value => checked((sbyte)value))),
            _ => Value(samples, shape, (bool[] target) => Cast(bytes, target, value => value != 0)),
        };
    }

    public long[] ReadLongs(int samples)
    {
        var bytes = ReadBytes(samples);
        var values = new long[checked(samples * _sampleElements)];
        NpyElements.ToLongs(_header.Type, bytes.Span, values);
        return values;
    }

    public void Dispose() => _stream.Dispose();

    private OrtValue Value<T>(int samples, long[] shape, Action<T[]> fill)
        where T : unmanaged
    {
        var count = checked(samples * _sampleElements);
        if (_values is not T[] values || values.Length < count)
            _values = values = new T[count];
        fill(values);
        _position += count;
        return OrtValue.FromMemory<T>(values.AsMemory(0, count), shape);
    }

    private void Scale<T>(ReadOnlyMemory<byte> bytes, T[] target, Func<double, T> round)
        where T : unmanaged, INumberBase<T>
    {
        var source = bytes.Span;
        var count = source.Length / _header.Type.Size();
        for (var i = 0; i < count; i++)
        {
            var value = round(_scaling.Apply(NpyElements.Real(_header.Type, source, i), i));
            if (!T.IsFinite(value))
                throw DataFile.NotFinite(_subject, _header, _position + i);
            target[i] = value;
        }
    }

    private void Cast<T>(ReadOnlyMemory<byte> bytes, T[] target, Func<long, T> convert)
    {
        var source = bytes.Span;
        var count = source.Length / _header.Type.Size();
        for (var i = 0; i < count; i++)
        {
            var value = NpyElements.Integer(_header.Type, source, i);
            try
            {
                target[i] = convert(value);
            }
            catch (OverflowException exception)
            {
                throw new InputException(
                    "data-type", _subject, $"'{_subject}' holds {value}, which does not fit the model's input of type {_target}.", "Check the array's values.", exception);
            }
        }
    }

    private ReadOnlyMemory<byte> ReadBytes(int samples)
    {
        var length = checked(samples * _sampleElements * _header.Type.Size());
        if (_bytes.Length < length)
            _bytes = new byte[length];
        DataFile.ReadFully(_stream, _bytes.AsSpan(0, length), _subject);
        return _bytes.AsMemory(0, length);
    }

    private void Skip(long bytes)
    {
        var buffer = new byte[Math.Min(SkipChunk, bytes)];
        for (var left = bytes; left > 0; left -= Math.Min(left, buffer.Length))
            DataFile.ReadFully(_stream, buffer.AsSpan(0, (int)Math.Min(left, buffer.Length)), _subject);
    }

    /// <summary>The first dimension is the batch; a model that fixes it is run with batches of that size.</summary>
    private static bool Fits(IReadOnlyList<long> array, IReadOnlyList<long> input) =>
        array.Count == input.Count && array.Zip(input).Skip(1).All(pair => pair.Second < 0 || pair.First == pair.Second);
}
