using System.Buffers.Binary;
using System.Diagnostics;
using System.IO.Compression;
using Orchestrator.Compression.Data;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Tests.Data;

/// <summary>One case an attack that a data file can carry out.</summary>
public sealed class HostileDataTests : IDisposable
{
    private const int EndLength = 22;
    private const uint CentralHeader = 0x02014b50;

    private static readonly byte[] s_array = NumPy.Npy([1f, 2, 3, 4], 2, 2);
    private static readonly byte[] s_archive = NumPy.Npz(CompressionLevel.NoCompression, ("a.npy", s_array), ("b.npy", s_array));

    private readonly string _folder = Directory.CreateTempSubdirectory("hostile-data").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static readonly Dictionary<string, (string Cause, Func<byte[]> Attack)> Attacks = new()
    {
        ["an encrypted entry"] = ("encrypted", () => Central(8, 1)),
        ["an unknown method"] = ("method 99", () => Central(10, 99)),
        ["a stored entry whose sizes differ"] = ("do not fit the file", () => Central(24, 5_000_000)),
        ["an entry longer than the file"] = ("do not fit the file", () => Central(20, 5_000_000, 24, 5_000_000)),
        ["an entry behind the end"] = ("do not fit the file", () => Central(42, 5_000_000)),
        ["entries over each other"] = ("overlap", () => Central(42, 0, entry: 1)),
        ["fewer entries than are there"] = ("more in its table", () => End(10, 1)),
        ["more entries than are there"] = ("breaks off", () => End(10, 3)),
        ["ten thousand entries"] = ("10000 arrays", () => End(10, 10_000)),
        ["no entries"] = ("0 arrays", () => NumPy.Npz(CompressionLevel.Fastest)),
        ["a table of contents behind the end"] = ("outside the file", () => End(16, 1 << 30)),
        ["a table of contents of gigabytes"] = ("outside the file", () => End(12, int.MaxValue)),
        ["sizes of 64 bits that are missing"] = ("large archives", () => End(16, -1)),
        ["one part of several"] = ("part of several", () => End(4, 7)),
        ["a second archive behind"] = ("outside the file", () => [.. s_archive, .. s_archive.AsSpan(0, 100), .. s_archive.AsSpan(s_archive.Length - EndLength)]),
        ["bytes behind the end"] = ("behind its end", () => [.. s_archive, 0]),
        ["a name with a zero"] = ("control characters", () => NumPy.Npz(CompressionLevel.Fastest, ("a\0b.npy", s_array))),
        ["two arrays of one name"] = ("occurs twice", () => NumPy.Npz(CompressionLevel.Fastest, ("a.npy", s_array), ("a.npy", s_array))),
        ["an archive in the archive"] = ("not a NumPy array", () => NumPy.Npz(CompressionLevel.Fastest, ("a.npy", s_archive))),
        ["something that is no array"] = ("no array", () => NumPy.Npz(CompressionLevel.Fastest, ("run.py", "import os"u8.ToArray()))),
        ["a pickle"] = ("type '|O'", () => NumPy.WithHeader("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", [0x80, 0x04, 0x2e])),
        ["records"] = ("fields", () => NumPy.WithHeader("{'descr': [('a', '<f4'), ('b', '<i4')], 'fortran_order': False, 'shape': (1,), }", new byte[8])),
        ["an expression"] = ("broken .npy header", () => NumPy.WithHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (2**40,), }", [])),
        ["brackets without end"] = ("broken .npy header", () => NumPy.WithHeader("{'descr': '<f4', 'fortran_order': False, 'shape': " + new string('(', 9000), [])),
        ["three hundred axes"] = ("300 dimensions", () => NumPy.WithHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (" + string.Concat(Enumerable.Repeat("1,", 300)) + "), }", [1])),
        ["a petabyte of elements"] = ("truncated", () => NumPy.WithHeader("{'descr': '|u1', 'fortran_order': False, 'shape': (1125899906842624,), }", [1])),
        ["elements beyond 64 bits"] = ("beyond any memory", () => NumPy.WithHeader("{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", [1])),
    };

    public static TheoryData<string> Names => [.. Attacks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_refused_with_its_cause(string attack)
    {
        var content = Attacks[attack].Attack();
        var before = GC.GetAllocatedBytesForCurrentThread();

        var refused = Assert.Throws<InputException>(() => DataFile.FromMemory(content, "hostile.npz"));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20);
        Assert.Contains(Attacks[attack].Cause, refused.Message, StringComparison.Ordinal);
        Assert.Contains("hostile.npz", refused.Subject, StringComparison.Ordinal);
        Assert.NotEmpty(refused.Remedy);
    }

    [Fact]
    public void A_million_entries_are_refused_before_the_first_is_read()
    {
        // One entry repeated in the table of contents: 50 bytes in the file, several hundred in memory.
        const int Entries = 1_000_000;
        var entry = s_archive.AsSpan(CentralAt(s_archive, 0), 46 + "a.npy".Length);
        var start = CentralAt(s_archive, 0);
        var bytes = new byte[start + (Entries * entry.Length) + EndLength];
        s_archive.AsSpan(0, start).CopyTo(bytes);
        for (var i = 0; i < Entries; i++)
            entry.CopyTo(bytes.AsSpan(start + (i * entry.Length)));
        s_archive.AsSpan(s_archive.Length - EndLength).CopyTo(bytes.AsSpan(bytes.Length - EndLength));
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(bytes.Length - EndLength + 12), Entries * entry.Length);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Assert.Contains("table of contents", Assert.Throws<InputException>(() => DataFile.FromMemory(bytes, "x")).Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 2 << 20);
    }

    [Fact]
    public void An_archive_that_unpacks_to_more_than_data_does_is_refused()
    {
        // Deflated zeros take a thousandth; several such arrays pass the bound that a file of this size has.
        const int Zeros = 200 << 20;
        var header = NumPy.WithHeader($"{{'descr': '|u1', 'fortran_order': False, 'shape': ({Zeros},), }}", []);
        byte[] array = [.. header, .. new byte[Zeros]];
        var archive = NumPy.Npz(CompressionLevel.Optimal, [.. Enumerable.Range(0, 7).Select(i => ($"a{i}.npy", array))]);

        Assert.Contains("unpacks to", Assert.Throws<InputException>(() => DataFile.FromMemory(archive, "bomb")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_is_a_path_is_only_a_name()
    {
        using var data = DataFile.FromMemory(NumPy.Npz(CompressionLevel.Fastest, ("../../etc/x.npy", s_array), ("/abs.npy", s_array), ("C:\\x.npy", s_array)), "paths");
        data.CheckFinite();

        Assert.Equal(["../../etc/x", "/abs", "C:\\x"], data.Arrays.Keys);
    }

    [Fact]
    public void An_archive_with_the_records_of_large_ones_is_read_and_its_lies_are_refused()
    {
        var body = s_archive.Length - EndLength;
        var start = CentralAt(s_archive, 0);
        byte[] Large(long entries, long length, long offset, long place) =>
        [
            .. s_archive.AsSpan(0, body),
            .. BitConverter.GetBytes(0x06064b50), .. BitConverter.GetBytes(44L), 45, 0, 45, 0, .. new byte[8],
            .. BitConverter.GetBytes(entries), .. BitConverter.GetBytes(entries), .. BitConverter.GetBytes(length), .. BitConverter.GetBytes(offset),
            .. BitConverter.GetBytes(0x07064b50), .. new byte[4], .. BitConverter.GetBytes(place), 1, 0, 0, 0,
            .. BitConverter.GetBytes(0x06054b50), .. new byte[4], .. Enumerable.Repeat((byte)0xFF, 12), 0, 0,
        ];
        using (var data = DataFile.FromMemory(Large(2, body - start, start, body), "large"))
        {
            data.CheckFinite();
            Assert.Equal(2, data.Arrays.Count);
        }

        foreach (var lie in new[] { Large(2, body - start, start, long.MaxValue), Large(2, long.MaxValue, start, body), Large(2, -1, start, body), Large(2, body - start, -1, body), Large(-1, body - start, start, body) })
            Assert.Throws<InputException>(() => DataFile.FromMemory(lie, "lie"));
    }

    [Fact]
    public void Pipes_and_devices_are_refused_without_waiting()
    {
        var pipe = Path.Combine(_folder, "pipe.npz");
        using (var process = Process.Start("mkfifo", [pipe]))
            process.WaitForExit();

        foreach (var path in new[] { pipe, "/dev/zero", "/dev/stdin", _folder })
            Assert.Equal("data-unreadable", Assert.Throws<InputException>(() => DataFile.Open(path)).Code);
    }

    private static byte[] Central(int offset, int value, int? offset2 = null, int value2 = 0, int entry = 0)
    {
        var bytes = (byte[])s_archive.Clone();
        var at = CentralAt(bytes, entry);
        Put(bytes, at + offset, value, offset is 8 or 10 ? 2 : 4);
        if (offset2 is { } second)
            Put(bytes, at + second, value2, 4);
        return bytes;
    }

    private static byte[] End(int offset, int value)
    {
        var bytes = (byte[])s_archive.Clone();
        Put(bytes, bytes.Length - EndLength + offset, value, offset is 4 or 10 ? 2 : 4);
        return bytes;
    }

    private static void Put(byte[] bytes, int at, int value, int size) => BitConverter.GetBytes(value).AsSpan(0, size).CopyTo(bytes.AsSpan(at));

    private static int CentralAt(byte[] bytes, int entry)
    {
        var at = -1;
        for (var i = 0; i <= entry; i++)
        {
            at++;
            while (BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)) != CentralHeader)
                at++;
        }

        return at;
    }
}
