using System.IO.Compression;
using Orchestrator.Compression.Data;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Data;

public sealed class DataSetTests
{
    private static readonly ValueDescription s_image = new("image", ElementType.Float, [-1, 2, 1, 2], ["", "", "", ""]);
    private static readonly byte[] s_pixels = [.. Enumerable.Range(0, 20).Select(i => (byte)(i * 10))];

    [Theory]
    [InlineData(CompressionLevel.NoCompression)]
    [InlineData(CompressionLevel.Optimal)]
    public void A_lone_array_feeds_a_lone_input_and_uint8_becomes_float(CompressionLevel level)
    {
        using var file = Open(level, ("pixels.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)), ("labels.npy", NumPy.Npy(new long[] { 5, 6, 7, 8, 9 }, 5)));
        var data = DataSet.Match(file, [s_image], new Preprocess());
        Assert.Equal(5, data.Samples);
        Assert.True(data.HasLabels);
        var batches = data.Batches(0, 5, 2).Select(batch => (batch.First, batch.Count, Values: batch.Values[0].AsSpan<float>().ToArray(), batch.Labels)).ToArray();
        Assert.Equal([0, 2, 4], batches.Select(batch => batch.First));
        Assert.Equal([2, 2, 1], batches.Select(batch => batch.Count));
        Assert.Equal(s_pixels.Select(pixel => (float)pixel), batches.SelectMany(batch => batch.Values));
        Assert.Equal([5L, 6, 7, 8, 9], batches.SelectMany(batch => batch.Labels));
    }

    [Fact]
    public void A_range_starts_where_asked()
    {
        using var file = Open(CompressionLevel.Optimal, ("pixels.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)), ("labels.npy", NumPy.Npy(new int[] { 5, 6, 7, 8, 9 }, 5)));
        var data = DataSet.Match(file, [s_image], new Preprocess());
        var batch = Assert.Single(data.Batches(3, 2, 8).Select(b => (b.Values[0].AsSpan<float>().ToArray(), b.Labels)));
        Assert.Equal(s_pixels.Skip(12).Select(pixel => (float)pixel), batch.Item1);
        Assert.Equal([8L, 9], batch.Labels);
        Assert.Empty(data.Batches(5, 0, 8));
        Assert.Throws<ArgumentOutOfRangeException>(() => data.Batches(4, 2, 8));
    }

    [Fact]
    public void Two_read_a_lone_array_side_by_side_and_each_gets_all_of_it()
    {
        using var file = Lone(NumPy.Npy(s_pixels, 5, 2, 1, 2));
        var data = DataSet.Match(file, [s_image], new Preprocess());
        var pairs = data.Batches(0, 5, 2).Zip(data.Batches(0, 5, 2), (a, b) => (a.Values[0].AsSpan<float>().ToArray(), b.Values[0].AsSpan<float>().ToArray())).ToArray();

        Assert.Equal(s_pixels.Select(pixel => (float)pixel), pairs.SelectMany(pair => pair.Item1));
        Assert.Equal(s_pixels.Select(pixel => (float)pixel), pairs.SelectMany(pair => pair.Item2));
    }

    [Fact]
    public void Preprocessing_is_by_channel()
    {
        using var file = Lone(NumPy.Npy(s_pixels, 5, 2, 1, 2));
        var data = DataSet.Match(file, [s_image], new Preprocess { Scale = 0.5, Mean = [1, 2], Std = [4, 8] });
        var first = data.Batches(1, 1, 1).Select(batch => batch.Values[0].AsSpan<float>().ToArray()).Single();
        Assert.Equal([(20f - 1) / 4, (25f - 1) / 4, (30f - 2) / 8, (35f - 2) / 8], first);
    }

    [Fact]
    public void Arrays_are_matched_by_name_and_integers_stay_integers()
    {
        using var file = Open(
            CompressionLevel.Optimal,
            ("tokens.npy", NumPy.Npy(new int[] { 1, 2, 3, 4 }, 2, 2)),
            ("mask.npy", NumPy.Npy(new[] { true, false, true, true }, 2, 2)),
            ("unused.npy", NumPy.Npy(new float[] { 1 }, 1)));
        var data = DataSet.Match(
            file,
            [new("mask", ElementType.Bool, [-1, -1], ["", ""]), new("tokens", ElementType.Int64, [-1, 2], ["", ""])],
            new Preprocess { Scale = 100 });
        Assert.False(data.HasLabels);
        var (names, mask, tokens) = data.Batches(0, 2, 2)
            .Select(batch => (batch.Names, batch.Values[0].AsSpan<bool>().ToArray(), batch.Values[1].AsSpan<long>().ToArray())).Single();
        Assert.Equal(["mask", "tokens"], names);
        Assert.Equal([true, false, true, true], mask);
        Assert.Equal([1L, 2, 3, 4], tokens);
    }

    [Fact]
    public void A_lone_npy_file_is_data_and_may_be_read_twice()
    {
        using var file = Lone(NumPy.Npy(s_pixels, 5, 2, 1, 2));
        Assert.Equal("pixels", Assert.Single(file.Outlines).Name);
        var data = DataSet.Match(file, [s_image], new Preprocess());
        Assert.Equal(5, data.Batches(0, 5, 1).Count());
        Assert.Equal(5, data.Batches(0, 5, 1).Count());
    }

    [Fact]
    public void The_digest_is_that_of_the_whole_file()
    {
        using var file = Lone(NumPy.Npy(s_pixels, 20));
        var (sha256, length) = file.Digest();
        Assert.Equal(Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(NumPy.Npy(s_pixels, 20))), sha256);
        Assert.Equal(NumPy.Npy(s_pixels, 20).Length, length);
    }

    [Fact]
    public void Outlines_tell_names_types_and_shapes()
    {
        using var file = Open(CompressionLevel.Optimal, ("x.npy", NumPy.Npy(new Half[6], 2, 3)), ("labels.npy", NumPy.Npy(new long[2], 2)));
        Assert.Equal(["x float16 2,3", "labels int64 2"], file.Outlines.Select(o => $"{o.Name} {o.ElementType} {string.Join(',', o.Shape)}"));
    }

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.NegativeInfinity)]
    public void What_is_not_a_number_is_refused_with_its_place(float value)
    {
        var values = new float[20];
        values[13] = value;
        using var file = Lone(NumPy.Npy(values, 5, 2, 1, 2));
        Assert.Contains("[3, 0, 0, 1]", Assert.Throws<InputException>(file.CheckFinite).Message, StringComparison.Ordinal);
        var data = DataSet.Match(file, [s_image], new Preprocess());
        var exception = Assert.Throws<InputException>(() => data.Batches(1, 4, 4).Count());
        Assert.Equal("data-not-finite", exception.Code);
        Assert.Contains("[3, 0, 0, 1]", exception.Message, StringComparison.Ordinal);
        Assert.Equal(3, data.Batches(0, 3, 3).Single().Count);
    }

    [Fact]
    public void A_shape_that_does_not_fit_names_array_and_dimensions()
    {
        using var file = Open(CompressionLevel.Optimal, ("pixels.npy", NumPy.Npy(s_pixels, 5, 4)));
        var exception = Assert.Throws<InputException>(() => DataSet.Match(file, [s_image], new Preprocess()));
        Assert.Equal("data-shape", exception.Code);
        Assert.Equal("data.npz:pixels", exception.Subject);
        Assert.Contains("uint8 [5, 4]", exception.Message, StringComparison.Ordinal);
        Assert.Contains("'image' [?, 2, 1, 2]", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Mismatches_are_refused()
    {
        using var two = Open(CompressionLevel.Optimal, ("a.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)), ("b.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)));
        Refused("data-input-missing", two, s_image, new Preprocess());
        using var channels = Lone(NumPy.Npy(s_pixels, 5, 2, 1, 2));
        Refused("preprocess-channels", channels, s_image, new Preprocess { Mean = [1, 2, 3] });
        using var real = Lone(NumPy.Npy(new float[4], 2, 2));
        Refused("data-type", real, new("tokens", ElementType.Int64, [-1, 2], ["", ""]), new Preprocess());
        using var scalar = Lone(NumPy.Npy(new float[1]));
        Refused("data-shape", scalar, s_image, new Preprocess());
        using var empty = Lone(NumPy.Npy(Array.Empty<float>(), 0, 2, 1, 2));
        Refused("data-shape", empty, s_image, new Preprocess());
        using var uneven = Open(CompressionLevel.Optimal, ("x.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)), ("labels.npy", NumPy.Npy(new long[4], 4)));
        Refused("data-shape", uneven, s_image, new Preprocess());
        using var vague = Open(CompressionLevel.Optimal, ("x.npy", NumPy.Npy(s_pixels, 5, 2, 1, 2)), ("labels.npy", NumPy.Npy(new float[5], 5)));
        Refused("data-type", vague, s_image, new Preprocess());
    }

    [Fact]
    public void A_number_that_does_not_fit_its_input_is_refused()
    {
        using var file = Lone(NumPy.Npy(new long[] { 1, 1L << 40 }, 2));
        var data = DataSet.Match(file, [new("tokens", ElementType.Int32, [-1], [""])], new Preprocess());
        Assert.Equal("data-type", Assert.Throws<InputException>(() => data.Batches(0, 2, 2).Count()).Code);
    }

    [Fact]
    public void Files_that_are_no_archive_of_arrays_are_refused()
    {
        Malformed([]);
        Malformed([.. "not NumPy at all"u8]);
        Malformed([.. "PK and then nonsense"u8]);
        Malformed(NumPy.Npz(CompressionLevel.Optimal));
        Malformed(NumPy.Npz(CompressionLevel.Optimal, ("readme.txt", [1, 2, 3])));
        Malformed(NumPy.Npz(CompressionLevel.Optimal, ("a.npy", NumPy.Npy(s_pixels, 20)[..^1])));
        Malformed(NumPy.Npz(CompressionLevel.Optimal, ("a.npy", [.. NumPy.Npy(s_pixels, 20), 0])));
        Malformed(NumPy.Npz(CompressionLevel.Optimal, ("a.npy", NumPy.Npy(s_pixels, 20)), ("a.npy", NumPy.Npy(s_pixels, 20))));
    }

    [Fact]
    public void Every_truncation_of_an_archive_is_refused()
    {
        var bytes = NumPy.Npz(CompressionLevel.Optimal, ("a.npy", NumPy.Npy(s_pixels, 20)));
        for (var length = 0; length < bytes.Length; length++)
            Malformed(bytes[..length]);
    }

    [Fact]
    public void A_damaged_archive_is_refused_or_read_never_worse()
    {
        var values = Enumerable.Range(0, 500).Select(i => MathF.Sin(i)).ToArray();
        var bytes = NumPy.Npz(CompressionLevel.Optimal, ("a.npy", NumPy.Npy(values, 500)));
        for (var position = 0; position < bytes.Length; position += 3)
        {
            byte[] changed = [.. bytes];
            changed[position] ^= 0x55;
            var exception = Record.Exception(() =>
            {
                using var file = DataFile.FromMemory(changed, "data.npz");
                file.CheckFinite();
            });
            Assert.True(exception is null or InputException, $"position {position}: {exception}");
        }
    }

    [Fact]
    public void A_declared_size_beyond_what_deflate_can_hold_is_refused()
    {
        var header = NumPy.WithHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000,), }", []);
        var bytes = NumPy.Npz(CompressionLevel.Optimal, ("a.npy", header));
        // Uncompressed sizes in the local header and in the central directory.
        var declared = BitConverter.GetBytes(1_000_000_000 + header.Length);
        declared.CopyTo(bytes, 22);
        declared.CopyTo(bytes, bytes.AsSpan().IndexOf("PK\u0001\u0002"u8) + 24);
        Malformed(bytes);
    }

    private static void Malformed(byte[] bytes) =>
        Assert.Equal("data-format", Assert.Throws<InputException>(() => DataFile.FromMemory(bytes, "data.npz").Dispose()).Code);

    private static void Refused(string code, DataFile file, ValueDescription input, Preprocess preprocess) =>
        Assert.Equal(code, Assert.Throws<InputException>(() => DataSet.Match(file, [input], preprocess)).Code);

    private static DataFile Lone(byte[] bytes) => DataFile.FromMemory(bytes, "pixels.npy");

    private static DataFile Open(CompressionLevel level, params (string, byte[])[] entries) => DataFile.FromMemory(NumPy.Npz(level, entries), "data.npz");
}
