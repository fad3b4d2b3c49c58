using System.Buffers.Binary;
using System.IO.Compression;

namespace Orchestrator.Fuzzing.Data;

/// <summary>Mutations of an .npz archive: its arrays and their names put together anew, and the fields of its records.</summary>
internal static class ZipMutations
{
    private const uint LocalHeader = 0x04034b50;
    private const uint CentralHeader = 0x02014b50;
    private const uint End = 0x06054b50;

    private static readonly string[] s_names =
    [
        "x.npy", "labels.npy", "images.npy", "../x.npy", "/x.npy", "a/b.npy", "C:\\x.npy", "x", ".npy", "x.npy\0", "X.npy", "readme.txt", "inner.npz", "é.npy",
    ];

    private static readonly Dictionary<uint, (int Offset, int Size)[]> s_fields = new()
    {
        [LocalHeader] = [(4, 2), (6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2), (28, 2)],
        [CentralHeader] = [(4, 2), (6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (32, 2), (34, 2), (38, 4), (42, 4)],
        [End] = [(4, 2), (6, 2), (8, 2), (10, 2), (12, 4), (16, 4), (20, 2)],
    };

    public static byte[] Mutate(byte[] input, byte[] other, Random random)
    {
        var bytes = random.Next(4) switch
        {
            0 => ByteMutations.Mutate(input, other, random),
            1 => input,
            _ => Rebuilt(input, other, random) ?? input,
        };
        return random.OneIn(2) ? Records(bytes, random) : bytes;
    }

    private static byte[]? Rebuilt(byte[] input, byte[] other, Random random)
    {
        var entries = Read(input);
        var others = Read(other);
        if (entries.Count == 0)
            return null;
        for (var left = random.Next(1, 4); left > 0; left--)
        {
            var index = random.Next(entries.Count);
            var (name, content) = entries[index];
            switch (random.Next(5))
            {
                case 0:
                    entries[index] = (random.Pick(s_names), content);
                    break;
                case 1:
                    entries.Add((random.OneIn(2) ? name : random.Pick(s_names), content));
                    break;
                case 2 when others.Count > 0:
                    entries.Add(random.Pick(others));
                    break;
                case 3 when entries.Count > 1:
                    entries.RemoveAt(index);
                    break;
                default:
                    entries[index] = (name, NpyMutations.Mutate(content, others.Count > 0 ? others[0].Content : [], random));
                    break;
            }
        }
        return Write(entries, random.OneIn(2) ? CompressionLevel.NoCompression : CompressionLevel.Fastest);
    }

    private static byte[] Records(byte[] input, Random random)
    {
        var bytes = input.ToArray();
        var places = Enumerable.Range(0, Math.Max(0, bytes.Length - 22))
            .Where(at => s_fields.ContainsKey(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)))).ToList();
        for (var left = random.Next(1, 3); left > 0 && places.Count > 0; left--)
        {
            var at = random.Pick(places);
            // An earlier change may have hit the signature of this record.
            if (!s_fields.TryGetValue(BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at)), out var fields))
                continue;
            var (offset, size) = random.Pick(fields);
            if (at + offset + size > bytes.Length)
                continue;
            var target = bytes.AsSpan(at + offset, size);
            if (size == 2)
                BinaryPrimitives.WriteInt16LittleEndian(target, (short)ByteMutations.Number(random, BinaryPrimitives.ReadInt16LittleEndian(target)));
            else
                BinaryPrimitives.WriteInt32LittleEndian(target, (int)ByteMutations.Number(random, BinaryPrimitives.ReadInt32LittleEndian(target)));
        }
        return bytes;
    }

    private static List<(string Name, byte[] Content)> Read(byte[] bytes)
    {
        var entries = new List<(string, byte[])>();
        try
        {
            using var archive = new ZipArchive(new MemoryStream(bytes));
            foreach (var entry in archive.Entries.Take(20).Where(e => e.Length <= ByteMutations.MaxInput))
            {
                using var stream = entry.Open();
                var content = new byte[entry.Length];
                var read = stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false);
                entries.Add((entry.FullName, content[..read]));
            }
        }
        catch (Exception e) when (e is InvalidDataException or NotSupportedException or IOException or OverflowException or ArgumentException)
        {
            // What cannot be taken apart is mutated as bytes.
        }
        return entries;
    }

    private static byte[] Write(List<(string Name, byte[] Content)> entries, CompressionLevel level)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                using var entry = archive.CreateEntry(name.Length == 0 ? "x.npy" : name, level).Open();
                entry.Write(content);
            }
        }
        return stream.ToArray();
    }
}
