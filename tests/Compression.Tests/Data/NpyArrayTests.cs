using FsCheck.Fluent;
using Orchestrator.Compression.Data;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Tests.Data;

public sealed class NpyArrayTests
{
    /// <summary>What numpy.save writes for numpy.array([[1, 2, 3], [4, 5, 6]], '&lt;i2').</summary>
    private static readonly byte[] s_written =
    [
        .. Convert.FromHexString("934E554D5059010076007B276465736372273A20273C6932272C2027666F727472616E5F6F72646572273A2046616C73652C20277368617065273A2028322C2033292C207D"),
        .. Enumerable.Repeat((byte)' ', 58), (byte)'\n',
        1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0,
    ];

    [Fact]
    public void A_file_of_numpy_is_read()
    {
        var array = Read(s_written);
        Assert.Equal(NpyType.Int16, array.Header.Type);
        Assert.Equal([2, 3], array.Shape);
        Assert.Equal([1L, 2, 3, 4, 5, 6], array.ToLongs());
        Assert.Equal([1f, 2, 3, 4, 5, 6], array.ToFloats());
    }

    [Fact]
    public void A_written_file_is_what_numpy_would_write() => Assert.Equal(s_written, NumPy.Npy<short>([1, 2, 3, 4, 5, 6], 2, 3));

    [Fact]
    public void Every_type_and_any_shape_are_read_back_as_written()
    {
        var shapes = Gen.Choose(0, 4).SelectMany(rank => Gen.Choose(0, 3).Select(size => (long)size).ArrayOf(rank));
        FsCheck.Check.QuickThrowOnFailure(Prop.ForAll(Arb.From(shapes), shape =>
        {
            var count = (int)shape.Aggregate(1L, (product, size) => product * size);
            return RoundTrip(shape, i => i * 0.25f, count, a => a.ToFloats()) && RoundTrip(shape, i => i / 3d, count, a => a.ToDoubles())
                && RoundTrip(shape, i => (Half)i, count, a => [.. a.ToDoubles().Select(v => (Half)v)])
                && RoundTrip(shape, i => (byte)(200 + i), count, a => [.. a.ToLongs().Select(v => (byte)v)])
                && RoundTrip(shape, i => (sbyte)-i, count, a => [.. a.ToLongs().Select(v => (sbyte)v)])
                && RoundTrip(shape, i => -1000 * i, count, a => [.. a.ToLongs().Select(v => (int)v)])
                && RoundTrip(shape, i => long.MinValue + i, count, a => a.ToLongs())
                && RoundTrip(shape, i => i % 2 == 0, count, a => [.. a.ToLongs().Select(v => v != 0)]);
        }));
    }

    [Fact]
    public void Newer_format_versions_are_read() =>
        Assert.Equal([7L], Read(NumPy.WithHeader("{\"shape\": (1,), \"fortran_order\": False, \"descr\": \"|u1\"}", [7], version: 2)).ToLongs());

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': True, 'shape': (1, 1), }", "data-order")]
    [InlineData("{'descr': '>f4', 'fortran_order': False, 'shape': (1,), }", "data-type")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", "data-type")]
    [InlineData("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "data-type")]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, }", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'more': 1}", "data-format")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': 1}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)} x", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 3)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': ()", "data-format")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (0,)}", "data-format")]
    [InlineData("{'descr': '<f4", "data-format")]
    [InlineData("", "data-format")]
    public void What_is_not_a_plain_array_is_refused(string header, string code)
    {
        var exception = Assert.Throws<InputException>(() => Read(NumPy.WithHeader(header, new byte[4])));
        Assert.Equal(code, exception.Code);
        Assert.Equal("subject", exception.Subject);
    }

    [Fact]
    public void Every_truncation_is_refused()
    {
        for (var length = 0; length < s_written.Length; length++)
            Assert.Equal("data-format", Assert.Throws<InputException>(() => Read(s_written[..length])).Code);
        Assert.Throws<InputException>(() => Read([.. s_written, 0]));
    }

    [Fact]
    public void An_absurd_header_length_is_refused_before_it_is_read()
    {
        byte[] bytes = [0x93, .. "NUMPY"u8, 2, 0, 0xFF, 0xFF, 0xFF, 0x7F];
        Assert.Contains("2147483647", Assert.Throws<InputException>(() => Read(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_changed_header_byte_never_does_worse_than_a_refusal()
    {
        for (var position = 0; position < 128; position++)
        {
            foreach (var value in new byte[] { 0, (byte)'9', (byte)'(', 0x7F, 0xFF })
            {
                byte[] changed = [.. s_written];
                changed[position] = value;
                var exception = Record.Exception(() => Read(changed));
                Assert.True(exception is null or InputException, $"position {position}: {exception}");
            }
        }
    }

    [Fact]
    public void A_missing_file_is_named()
    {
        var path = Path.Combine(Path.GetTempPath(), "no-such-array.npy");
        Assert.Equal("data-missing", Assert.Throws<InputException>(() => NpyArray.Load(path)).Code);
        Assert.Equal("data-unreadable", Assert.Throws<InputException>(() => NpyArray.Load(Path.GetTempPath())).Code);
    }

    private static bool RoundTrip<T>(long[] shape, Func<int, T> element, int count, Func<NpyArray, T[]> values)
        where T : unmanaged
    {
        T[] written = [.. Enumerable.Range(0, count).Select(element)];
        var array = Read(NumPy.Npy(written, shape));
        return array.Shape.SequenceEqual(shape) && values(array).SequenceEqual(written);
    }

    private static NpyArray Read(byte[] bytes) => NpyArray.Read(new MemoryStream(bytes), bytes.Length, "subject");
}
