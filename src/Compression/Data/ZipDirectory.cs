using System.Buffers.Binary;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Data;

/// <summary>
/// Looks at an archive's table of contents before the archive is opened: few entries, each in a place of its own within the file, none
/// encrypted, and together not much larger than the file can honestly be. Nothing is decompressed.
/// </summary>
internal sealed class ZipDirectory
{
    /// <summary>Arrays in one file.</summary>
    public const int MaxEntries = 1000;

    /// <summary>All arrays together may take this much, and <see cref="MaxRatio"/> times the file beyond it.</summary>
    public const long FreeBytes = 1L << 30;

    public const long MaxRatio = 100;

    private const uint CentralHeader = 0x02014b50;
    private const uint EndRecord = 0x06054b50;
    private const uint LargeEndRecord = 0x06064b50;
    private const uint LargeEndLocator = 0x07064b50;
    private const int EndLength = 22;
    private const int LargeEndLength = 56;
    private const int LocatorLength = 20;
    private const int CentralLength = 46;
    private const int LocalLength = 30;
    private const int MaxCentralLength = MaxEntries * 1024;
    private const int MaxComment = ushort.MaxValue;
    private const ushort Encrypted = 1;
    private const ushort Stored = 0;
    private const ushort Deflated = 8;
    private const ushort SizesExtra = 1;

    private readonly Stream _stream;
    private readonly string _subject;

    private ZipDirectory(Stream stream, string subject) => (_stream, _subject) = (stream, subject);

    /// <summary>Leaves the stream at its start.</summary>
    /// <exception cref="InputException">Not an archive within the bounds.</exception>
    public static void Check(Stream stream, string subject)
    {
        new ZipDirectory(stream, subject).Check();
        stream.Position = 0;
    }

    private void Check()
    {
        var (entries, offset, length) = End();
        if (entries is 0 or > MaxEntries)
            throw Malformed($"holds {entries} arrays; 1 to {MaxEntries} are allowed");
        if (length > MaxCentralLength)
            throw Malformed($"has a table of contents of {length} bytes; {MaxCentralLength} are allowed");
        var table = Read((long)offset, (int)length);
        var places = new List<(long From, long To)>();
        var (at, total) = (0, 0L);
        for (var i = 0UL; i < entries; i++)
        {
            if (table.Length - at < CentralLength || BinaryPrimitives.ReadUInt32LittleEndian(table.AsSpan(at)) != CentralHeader)
                throw Malformed("has a table of contents that breaks off");
            var (next, from, to, size) = Entry(table, at, (long)offset);
            places.Add((from, to));
            total += size;
            at = next;
        }

        // .NET reads on while entries follow, whatever their number is said to be.
        if (at != table.Length)
            throw Malformed("has more in its table of contents than it says");
        Disjoint(places);
        if (total > FreeBytes + (MaxRatio * _stream.Length))
            throw Malformed($"unpacks to {total} bytes from {_stream.Length}, more than data does");
    }

    private (ulong Entries, ulong Offset, ulong Length) End()
    {
        var tail = Read(Math.Max(0, _stream.Length - EndLength - MaxComment), (int)Math.Min(_stream.Length, EndLength + MaxComment));
        for (var at = tail.Length - EndLength; at >= 0; at--)
        {
            var end = tail.AsSpan(at);
            if (BinaryPrimitives.ReadUInt32LittleEndian(end) != EndRecord)
                continue;
            var (disk, entries) = (BinaryPrimitives.ReadUInt32LittleEndian(end[4..]), BinaryPrimitives.ReadUInt16LittleEndian(end[10..]));
            var (length, offset) = (BinaryPrimitives.ReadUInt32LittleEndian(end[12..]), BinaryPrimitives.ReadUInt32LittleEndian(end[16..]));
            var place = _stream.Length - tail.Length + at;
            if (BinaryPrimitives.ReadUInt16LittleEndian(end[20..]) != end.Length - EndLength)
                throw Malformed("has bytes behind its end");
            return entries == ushort.MaxValue || length == uint.MaxValue || offset == uint.MaxValue
                ? LargeEnd(place)
                : disk == 0 ? Inside(entries, offset, length, place) : throw Malformed("is one part of several");
        }

        throw Malformed("is no archive: its table of contents is missing");
    }

    private (ulong Entries, ulong Offset, ulong Length) LargeEnd(long end)
    {
        var locator = end < LocatorLength ? [] : Read(end - LocatorLength, LocatorLength);
        if (locator.Length == 0 || BinaryPrimitives.ReadUInt32LittleEndian(locator) != LargeEndLocator)
            throw Malformed("lacks the record that large archives have");
        var place = BinaryPrimitives.ReadUInt64LittleEndian(locator.AsSpan(8));
        if (place > (ulong)Math.Max(0, end - LocatorLength - LargeEndLength))
            throw Malformed("places its table of contents outside the file");
        var record = Read((long)place, LargeEndLength);
        if (BinaryPrimitives.ReadUInt32LittleEndian(record) != LargeEndRecord)
            throw Malformed("lacks the record that large archives have");
        return Inside(
            BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(32)), BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(48)),
            BinaryPrimitives.ReadUInt64LittleEndian(record.AsSpan(40)), (long)place);
    }

    private (ulong Entries, ulong Offset, ulong Length) Inside(ulong entries, ulong offset, ulong length, long end) =>
        offset <= (ulong)end && length == (ulong)end - offset ? (entries, offset, length) : throw Malformed("places its table of contents outside the file or away from its end");

    /// <returns>Where the next entry begins, where this one's data may lie, and its unpacked size.</returns>
    private (int Next, long From, long To, long Size) Entry(byte[] table, int at, long limit)
    {
        var entry = table.AsSpan(at);
        var (flags, method) = (BinaryPrimitives.ReadUInt16LittleEndian(entry[8..]), BinaryPrimitives.ReadUInt16LittleEndian(entry[10..]));
        ulong packed = BinaryPrimitives.ReadUInt32LittleEndian(entry[20..]);
        ulong size = BinaryPrimitives.ReadUInt32LittleEndian(entry[24..]);
        ulong from = BinaryPrimitives.ReadUInt32LittleEndian(entry[42..]);
        int name = BinaryPrimitives.ReadUInt16LittleEndian(entry[28..]);
        int extra = BinaryPrimitives.ReadUInt16LittleEndian(entry[30..]);
        int comment = BinaryPrimitives.ReadUInt16LittleEndian(entry[32..]);
        if (entry.Length < CentralLength + name + extra + comment)
            throw Malformed("has a table of contents that breaks off");
        Enlarge(entry.Slice(CentralLength + name, extra), ref size, ref packed, ref from);
        if ((flags & Encrypted) != 0)
            throw Malformed("is encrypted");
        if (method is not (Stored or Deflated))
            throw Malformed($"is packed by method {method}, which is neither stored nor deflated");
        if (from > (ulong)limit || packed > (ulong)limit - from || size > long.MaxValue / MaxEntries || (method == Stored && size != packed))
            throw Malformed("states sizes that do not fit the file");
        return (at + CentralLength + name + extra + comment, (long)from, (long)(from + packed) + LocalLength, (long)size);
    }

    /// <summary>Sizes beyond 32 bits stand in an extra field, in this order, each only where the short one is full.</summary>
    private void Enlarge(ReadOnlySpan<byte> extra, ref ulong size, ref ulong packed, ref ulong from)
    {
        while (extra.Length >= 4)
        {
            var (id, length) = (BinaryPrimitives.ReadUInt16LittleEndian(extra), BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]));
            if (length > extra.Length - 4)
                throw Malformed("has an extra field that breaks off");
            var content = extra.Slice(4, length);
            if (id == SizesExtra)
            {
                Take(ref content, ref size);
                Take(ref content, ref packed);
                Take(ref content, ref from);
            }

            extra = extra[(4 + length)..];
        }
    }

    private static void Take(ref ReadOnlySpan<byte> content, ref ulong value)
    {
        if (value != uint.MaxValue || content.Length < sizeof(ulong))
            return;
        value = BinaryPrimitives.ReadUInt64LittleEndian(content);
        content = content[sizeof(ulong)..];
    }

    private void Disjoint(List<(long From, long To)> places)
    {
        places.Sort();
        for (var i = 1; i < places.Count; i++)
            if (places[i].From < places[i - 1].To)
                throw Malformed("has arrays that overlap");
    }

    private byte[] Read(long position, int count)
    {
        var bytes = new byte[count];
        _stream.Position = position;
        DataFile.ReadFully(_stream, bytes, _subject);
        return bytes;
    }

    private InputException Malformed(string problem) => NpyHeader.Malformed(_subject, problem);
}
