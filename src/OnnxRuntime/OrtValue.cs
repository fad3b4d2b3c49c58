using System.Buffers;
using System.Runtime.CompilerServices;
using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>
/// A tensor for or from a session: over memory of ours, without copying, or allocated by the runtime. Shapes are row-major.
/// </summary>
/// <remarks>
/// Spans and pointers taken from a value are valid while the value is reachable and not disposed. A session or binding that uses the
/// value keeps its memory in place until it is done, even when the value is disposed meanwhile.
/// </remarks>
public sealed unsafe class OrtValue : IDisposable
{
    private const int DeviceAllocator = 0;
    private const int DefaultMemory = 0;
    private const int CpuDevice = 0;

    private readonly long[] _shape;

    internal OrtValue(ValueHandle handle)
    {
        Handle = handle;
        using var scope = new CallScope();
        var value = scope.Use(handle);
        IsTensor = OrtApi.IsTensor(value);
        if (!IsTensor)
        {
            _shape = [];
            return;
        }

        using var description = new ShapeHandle(OrtApi.Get(OrtFunction.GetTensorTypeAndShape, value));
        ElementType = OrtApi.TensorElementType(scope.Use(description));
        _shape = OrtApi.Dimensions(scope.Use(description));
    }

    private OrtValue(ValueHandle handle, ElementType type, long[] shape)
    {
        Handle = handle;
        IsTensor = true;
        ElementType = type;
        _shape = shape;
    }

    /// <summary>False for sequences and maps, whose content this binding does not read.</summary>
    public bool IsTensor { get; }

    public ElementType ElementType { get; }

    public ReadOnlySpan<long> Shape => _shape;

    public long ElementCount => ElementTypeExtensions.ElementCount(_shape);

    /// <summary>Whether the elements lie where this process can read them.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public bool IsInCpuMemory
    {
        get
        {
            using var scope = new CallScope();
            return OrtApi.MemoryDeviceKind(OrtApi.Get(OrtFunction.GetTensorMemoryInfo, scope.Use(Handle))) == CpuDevice;
        }
    }

    internal ValueHandle Handle { get; }

    /// <summary>A tensor over managed or other memory, pinned until the value and every use of it is gone.</summary>
    /// <exception cref="ArgumentException">The memory has not exactly the elements of the shape.</exception>
    /// <exception cref="NotSupportedException">No tensor holds elements of this type.</exception>
    public static OrtValue FromMemory<T>(Memory<T> memory, ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        var count = ElementTypeExtensions.ElementCount(shape);
        if (memory.Length != count)
            throw new ArgumentException($"A tensor [{string.Join(", ", shape.ToArray())}] has {count} elements, the memory {memory.Length}.", nameof(memory));
        var type = ElementTypeExtensions.Of<T>();
        var pin = memory.Pin();
        try
        {
            return Over(pin.Pointer, count * Unsafe.SizeOf<T>(), type, shape, pin, null);
        }
        catch
        {
            pin.Dispose();
            throw;
        }
    }

    /// <summary>
    /// A tensor over native memory. <paramref name="owner"/> stays reachable as long as the memory may be used; it must not
    /// free or move the memory before that.
    /// </summary>
    /// <param name="byteLength">Bytes that may be read and written; at least those of the tensor.</param>
    /// <exception cref="ArgumentException">The memory is too small or null.</exception>
    public static OrtValue FromPointer(nint address, long byteLength, ElementType type, ReadOnlySpan<long> shape, object? owner)
    {
        var needed = type.ByteLength(shape);
        if (byteLength < needed)
            throw new ArgumentException($"A {type} tensor [{string.Join(", ", shape.ToArray())}] takes {needed} bytes, the memory has {byteLength}.", nameof(byteLength));
        if (address == 0 && needed > 0)
            throw new ArgumentException("The address is null.", nameof(address));
        return Over((void*)address, needed, type, shape, default, owner);
    }

    /// <summary>A tensor in memory of the runtime, its content undefined.</summary>
    /// <exception cref="OrtException">Not enough memory, or a type that cannot be allocated.</exception>
    public static OrtValue Allocate(ElementType type, ReadOnlySpan<long> shape)
    {
        _ = type.ByteLength(shape);
        return new(new ValueHandle(OrtApi.CreateTensor(OrtApi.DefaultAllocator(), shape, type)), type, shape.ToArray());
    }

    /// <summary>The elements, row after row.</summary>
    /// <exception cref="ObjectDisposedException"/>
    /// <exception cref="InvalidOperationException">Not a tensor of this element type, or not in CPU memory.</exception>
    public Span<T> AsSpan<T>()
        where T : unmanaged
    {
        if (!IsTensor || ElementTypeExtensions.Of<T>() != ElementType)
            throw new InvalidOperationException($"The value holds {(IsTensor ? ElementType : "no tensor")}, not {typeof(T).Name}.");
        var count = checked((int)ElementCount);
        return count == 0 ? [] : new Span<T>((void*)Address(), count);
    }

    /// <summary>The bytes of the elements as they lie in memory, whatever their type; 4-bit elements are packed, the first in the low half.</summary>
    /// <exception cref="ObjectDisposedException"/>
    /// <exception cref="InvalidOperationException">Not a tensor, or not in CPU memory.</exception>
    public Span<byte> AsBytes()
    {
        if (!IsTensor)
            throw new InvalidOperationException("The value holds no tensor.");
        var length = checked((int)ElementType.ByteLength(_shape));
        return length == 0 ? [] : new Span<byte>((void*)Address(), length);
    }

    public void Dispose() => Handle.Dispose();

    private static OrtValue Over(void* data, long byteLength, ElementType type, ReadOnlySpan<long> shape, MemoryHandle pin, object? owner)
    {
        // An empty array may pin to null, which the runtime refuses even when nothing will be read.
        byte nothing;
        if (data is null)
            data = &nothing;
        using var memory = new MemoryDescriptionHandle(OrtApi.CreateCpuMemoryDescription(DeviceAllocator, DefaultMemory));
        using var scope = new CallScope();
        var value = OrtApi.CreateTensorOver(scope.Use(memory), data, byteLength, shape, type);
        return new OrtValue(new ValueHandle(value, null, pin, owner), type, shape.ToArray());
    }

    private nint Address()
    {
        if (!IsInCpuMemory)
            throw new InvalidOperationException("The value lies in device memory; bind the output to CPU memory to read it.");
        using var scope = new CallScope();
        return OrtApi.TensorData(scope.Use(Handle));
    }
}
