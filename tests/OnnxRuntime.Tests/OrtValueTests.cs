using System.Runtime.InteropServices;
using FsCheck.Fluent;

namespace Orchestrator.OnnxRuntime.Tests;

public sealed class OrtValueTests(RuntimeFixture runtime) : IClassFixture<RuntimeFixture>
{
    [Fact]
    public void Memory_is_used_in_place()
    {
        using var session = runtime.Load(ModelBytes.AddModel());
        var memory = new float[] { 1, 2, 3 };
        using var x = OrtValue.FromMemory<float>(memory, [1, 3]);
        memory[0] = 5;
        Assert.True(x.IsInCpuMemory);
        Assert.Equal(5, x.AsSpan<float>()[0]);
        using var outputs = session.Run(["x"], [x], ["y"]);
        Assert.Equal(15, outputs[0].AsSpan<float>()[0]);
        x.AsSpan<float>()[1] = 7;
        Assert.Equal(7, memory[1]);
    }

    [Fact]
    public unsafe void Native_memory_is_used_in_place_and_its_owner_kept()
    {
        var memory = (double*)NativeMemory.Alloc(2, sizeof(double));
        try
        {
            (memory[0], memory[1]) = (1, 2);
            var owner = new object();
            using var value = OrtValue.FromPointer((nint)memory, 2 * sizeof(double), ElementType.Double, [2, 1], owner);
            Assert.Equal([1d, 2d], value.AsSpan<double>().ToArray());
            memory[1] = 3;
            Assert.Equal(3, value.AsSpan<double>()[1]);
            Assert.Same(owner, value.Handle.Owner);
        }
        finally
        {
            NativeMemory.Free(memory);
        }
    }

    [Fact]
    public void Allocated_values_have_the_shape_asked_for()
    {
        using var value = OrtValue.Allocate(ElementType.Int16, [2, 3]);
        Assert.Equal([2L, 3L], value.Shape.ToArray());
        Assert.Equal(6, value.ElementCount);
        value.AsSpan<short>().Fill(9);
        Assert.Equal(9, value.AsSpan<short>()[5]);
        Assert.Equal(12, value.AsBytes().Length);
    }

    [Fact]
    public void A_part_of_an_array_can_be_a_tensor()
    {
        using var value = OrtValue.FromMemory(new float[] { 1, 2, 3, 4 }.AsMemory(1, 2), [2]);
        Assert.Equal([2f, 3f], value.AsSpan<float>().ToArray());
    }

    [Fact]
    public void Scalars_and_empty_tensors_are_tensors()
    {
        using var scalar = OrtValue.FromMemory<long>(new long[] { 7 }, []);
        Assert.Equal(7, Assert.Single(scalar.AsSpan<long>().ToArray()));
        using var empty = OrtValue.FromMemory<float>(Memory<float>.Empty, [0, 3]);
        Assert.True(empty.AsSpan<float>().IsEmpty);
        using var session = runtime.Load(ModelBytes.AddModel());
        using var outputs = session.Run(["x"], [empty], ["y"]);
        Assert.Equal([0L, 3L], outputs[0].Shape.ToArray());
        Assert.True(outputs[0].AsSpan<float>().IsEmpty);
    }

    [Fact]
    public void Four_bit_elements_lie_two_to_a_byte()
    {
        var packed = new byte[] { 0x21, 0x03 };
        var pin = GCHandle.Alloc(packed, GCHandleType.Pinned);
        try
        {
            using var value = OrtValue.FromPointer(pin.AddrOfPinnedObject(), packed.Length, ElementType.Int4, [3], packed);
            Assert.Equal(packed, value.AsBytes().ToArray());
        }
        finally
        {
            pin.Free();
        }
    }

    [Fact]
    public void Memory_of_the_wrong_size_is_refused()
    {
        Assert.Throws<ArgumentException>(() => OrtValue.FromMemory<float>(new float[5], [2, 3]));
        Assert.Throws<ArgumentException>(() => OrtValue.FromMemory<float>(new float[7], [2, 3]));
        Assert.Throws<ArgumentException>(() => OrtValue.FromPointer(1, 23, ElementType.Float, [2, 3], null));
        Assert.Throws<ArgumentException>(() => OrtValue.FromPointer(0, 24, ElementType.Float, [2, 3], null));
        Assert.Throws<ArgumentOutOfRangeException>(() => OrtValue.FromMemory<float>(new float[6], [-2, -3]));
        Assert.Throws<OverflowException>(() => OrtValue.Allocate(ElementType.Float, [long.MaxValue, 2]));
    }

    [Fact]
    public void Elements_are_read_as_what_they_are_only()
    {
        using var value = OrtValue.FromMemory<float>(new float[1], [1]);
        Assert.Throws<InvalidOperationException>(() => value.AsSpan<int>());
        Assert.Throws<NotSupportedException>(() => value.AsSpan<char>());
        Assert.Throws<NotSupportedException>(() => OrtValue.FromMemory<char>(new char[1], [1]));
        Assert.Throws<NotSupportedException>(() => ElementType.String.Bits());
    }

    [Fact]
    public void Every_element_type_passes_through_a_session_unchanged()
    {
        PassThrough<float>(-0f, float.Epsilon, float.NaN);
        PassThrough(1e300, -2d, double.NegativeInfinity);
        PassThrough<byte>(0, 1, 255);
        PassThrough<sbyte>(-128, 0, 127);
        PassThrough<ushort>(0, 1, ushort.MaxValue);
        PassThrough<short>(short.MinValue, 0, short.MaxValue);
        PassThrough<uint>(0, 1, uint.MaxValue);
        PassThrough<int>(int.MinValue, 0, int.MaxValue);
        PassThrough<ulong>(0, 1, ulong.MaxValue);
        PassThrough<long>(long.MinValue, 0, long.MaxValue);
        PassThrough(true, false, true);
        PassThrough((Half)1.5, Half.MaxValue, Half.NegativeInfinity);
    }

    [Fact]
    public void Any_shape_passes_through_a_session_unchanged()
    {
        const int MaximumRank = 5;
        var sessions = Enumerable.Range(0, MaximumRank + 1).Select(rank => runtime.Load(ModelBytes.IdentityModel(ElementType.Float, rank))).ToArray();
        var shapes = Gen.Choose(0, MaximumRank).SelectMany(rank => Gen.Choose(0, 4).Select(size => (long)size).ArrayOf(rank));
        FsCheck.Check.QuickThrowOnFailure(Prop.ForAll(Arb.From(shapes), shape =>
        {
            var values = Enumerable.Range(0, (int)ElementTypeExtensions.ElementCount(shape)).Select(i => (float)i).ToArray();
            using var x = OrtValue.FromMemory<float>(values, shape);
            using var outputs = sessions[shape.Length].Run(["x"], [x], ["y"]);
            return outputs[0].Shape.SequenceEqual(shape) && outputs[0].AsSpan<float>().SequenceEqual(values);
        }));
        foreach (var session in sessions)
            session.Dispose();
    }

    private void PassThrough<T>(params T[] values)
        where T : unmanaged
    {
        using var session = runtime.Load(ModelBytes.IdentityModel(ElementTypeExtensions.Of<T>(), 1));
        using var x = OrtValue.FromMemory<T>(values, [values.Length]);
        using var outputs = session.Run(["x"], [x], ["y"]);
        Assert.Equal(MemoryMarshal.AsBytes<T>(values).ToArray(), outputs[0].AsBytes().ToArray());
        Assert.Equal(values, outputs[0].AsSpan<T>().ToArray());
    }
}
