using FsCheck;
using FsCheck.Fluent;
using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Tests;

public sealed class TensorTests
{
    [Theory]
    [InlineData(ElementType.UInt2, 0, 3)]
    [InlineData(ElementType.Int2, -2, 1)]
    [InlineData(ElementType.UInt4, 0, 15)]
    [InlineData(ElementType.Int4, -8, 7)]
    [InlineData(ElementType.UInt8, 0, 255)]
    [InlineData(ElementType.Int8, -128, 127)]
    [InlineData(ElementType.Int16, -32768, 32767)]
    [InlineData(ElementType.UInt16, 0, 65535)]
    [InlineData(ElementType.Int32, int.MinValue, int.MaxValue)]
    public void Codes_survive_packing_at_every_length(ElementType type, int min, int max)
    {
        for (var count = 0; count < 20; count++)
        {
            int[] codes = [.. Enumerable.Range(0, count).Select(i => i % 3 == 0 ? min : i % 3 == 1 ? max : (min / 2) + (max / 2))];
            var tensor = Tensor.FromCodes("t", type, [count], codes);

            Assert.Equal(codes.Select(c => (long)c), tensor.ReadLongs());
            Assert.Equal(((count * type.Bits()) + 7) / 8, tensor.ByteCount);
        }
        if (max < int.MaxValue)
            Assert.Throws<OnnxException>(() => Tensor.FromCodes("t", type, [1], [max + 1]));
    }

    [Fact]
    public void The_first_of_two_four_bit_codes_lies_in_the_low_half() =>
        Assert.Equal([0x21, 0x0f], Tensor.FromCodes("t", ElementType.UInt4, [3], [1, 2, 15]).ReadBytes());

    [Fact]
    public void Bfloat16_rounds_to_nearest_even()
    {
        double[] values = [1, 1.00390625, 1.01171875, -3.14159265, double.PositiveInfinity, double.NaN, 0];
        var read = Tensor.FromReals("t", ElementType.BFloat16, [7], values).ReadFloats();

        Assert.Equal([1f, 1f, 1.015625f, -3.140625f, float.PositiveInfinity, float.NaN, 0f], read);
    }

    [Fact]
    public void Real_tensors_of_any_content_survive_bit_for_bit() =>
        Prop.ForAll<float[]>(values =>
        {
            var floats = Tensor.FromFloats("t", [values.Length], values);
            var doubles = Tensor.FromReals("t", ElementType.Float64, [values.Length], [.. values.Select(v => (double)v)]);
            return floats.ReadFloats().AsSpan().SequenceEqual(values) && doubles.ReadFloats().AsSpan().SequenceEqual(values)
                && floats.IsFinite() == values.All(float.IsFinite);
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Typed_fields_and_raw_bytes_are_the_same_tensor()
    {
        var halves = new TensorProto { Name = "h", DataType = (int)ElementType.Float16, Dims = { 2 }, Int32Data = { 0x3c00, 0xc000 } };
        var floats = new TensorProto { Name = "f", DataType = (int)ElementType.Float32, Dims = { 2 }, FloatData = { 1.5f, -2 } };
        var bytes = new TensorProto { Name = "b", DataType = (int)ElementType.Int8, Dims = { 3 }, Int32Data = { -1, 5, -128 } };
        var nibbles = new TensorProto { Name = "n", DataType = (int)ElementType.Int4, Dims = { 3 }, Int32Data = { 0x2f, 0x08 } };
        var unsigned = new TensorProto { Name = "u", DataType = (int)ElementType.UInt32, Dims = { 1 }, Uint64Data = { 4_000_000_000 } };
        var doubles = new TensorProto { Name = "d", DataType = (int)ElementType.Float64, Dims = { 1 }, DoubleData = { 0.1 } };
        var longs = new TensorProto { Name = "l", DataType = (int)ElementType.Int64, Dims = { 1 }, Int64Data = { -7 } };

        Assert.Equal([1f, -2f], new Tensor(halves).ReadFloats());
        Assert.Equal([1.5f, -2f], new Tensor(floats).ReadFloats());
        Assert.Equal([-1L, 5, -128], new Tensor(bytes).ReadLongs());
        Assert.Equal([-1L, 2, -8], new Tensor(nibbles).ReadLongs());
        Assert.Equal([4_000_000_000L], new Tensor(unsigned).ReadLongs());
        Assert.Equal([0.1], new Tensor(doubles).ReadDoubles());
        Assert.Equal([-7L], new Tensor(longs).ReadLongs());
        Assert.True(new Tensor(floats).ContentEquals(Tensor.FromFloats("other", [2], [1.5f, -2])));
    }

    [Fact]
    public void A_name_or_shape_changes_without_the_content()
    {
        var tensor = Tensor.FromFloats("a", [2, 3], [1, 2, 3, 4, 5, 6]);

        Assert.Equal("b", tensor.WithName("b").Name);
        Assert.Equal("a", tensor.Name);
        Assert.Equal([3L, 2], tensor.WithShape(3, 2).Shape);
        Assert.Throws<OnnxException>(() => tensor.WithShape(4, 2));
        Assert.Throws<OnnxException>(() => Tensor.FromFloats("a", [2, 3], [1]));
    }

    [Fact]
    public void Text_has_no_numbers()
    {
        var text = new Tensor(new TensorProto { Name = "s", DataType = (int)ElementType.Text, Dims = { 1 }, StringData = { ByteString.CopyFromUtf8("x") } });

        Assert.Throws<OnnxException>(() => text.ReadFloats());
        Assert.Throws<OnnxException>(() => Tensor.FromReals("t", ElementType.Int8, [1], [1]));
    }

    [Fact]
    public void The_share_of_zeros_is_exact_for_small_tensors_and_near_it_for_large_ones()
    {
        Assert.Equal(0.4, Tensor.FromFloats("t", [5], [0, 1, -0f, 2, 1e-30f]).ZeroFraction());
        Assert.Equal(0.5, Tensor.FromReals("t", ElementType.Float16, [2], [0, 3]).ZeroFraction());
        // Every fourth column of an even width is zero, over more elements than are looked at.
        var large = new float[1 << 20];
        for (var i = 0; i < large.Length; i++)
            large[i] = i % 4 == 0 ? 0 : 1;
        Assert.InRange(Tensor.FromFloats("t", [1 << 10, 1 << 10], large).ZeroFraction(), 0.249, 0.251);
    }
}
