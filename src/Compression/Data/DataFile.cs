using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Compression.Data;

/// <summary>
/// An <c>.npz</c> or <c>.npy</c> file: its arrays' names, types and shapes, and a stream over each. Headers are checked against the
/// file's size when it is opened; elements are only ever read through <see cref="OpenElements"/>. Not thread-safe.
/// </summary>
public sealed class DataFile : IDisposable
{
    /// <summary>The array that holds the right answers and feeds no input.</summary>
    public const string Labels = "labels";

    private const string Extension = ".npy";

    /// <summary>Deflate cannot expand a byte to more than this many.</summary>
    private const long MaxExpansion = 1032;

    private readonly Stream _stream;
    private readonly ZipArchive? _archive;
    private readonly Dictionary<string, NpyHeader> _headers = [];

    private DataFile(Stream stream, string name)
    {
        Name = name;
        _stream = stream;
        try
        {
            if (IsZip(stream))
            {
                ZipDirectory.Check(stream, name);
                _archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: false);
                ReadEntries(_archive);
            }
            else
            {
                var header = NpyHeader.Read(stream, name);
                CheckLength(header, stream.Position, stream.Length, name);
                _headers.Add(Path.GetFileNameWithoutExtension(name), header);
            }
        }
        catch (Exception exception) when (exception is InvalidDataException or NotSupportedException)
        {
            throw Damaged(name, exception);
        }
    }

    /// <summary>What messages call the file.</summary>
    public string Name { get; }

    /// <summary>Headers by name. An <c>.npy</c> file's only array is called what the file is.</summary>
    public IReadOnlyDictionary<string, NpyHeader> Arrays => _headers;

    /// <summary>The arrays in the order of the file, as planning sees them.</summary>
    public IReadOnlyList<TensorOutline> Outlines => [.. _headers.Select(entry => new TensorOutline(entry.Key, entry.Value.Type.Display(), entry.Value.Shape))];

    /// <exception cref="InputException">The file is missing or unreadable, or not NumPy data.</exception>
    public static DataFile Open(string path)
    {
        var stream = OpenFile(path);
        try
        {
            return new DataFile(stream, path);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Opens content in memory, which is not copied where it is an array.</summary>
    /// <exception cref="InputException">Not NumPy data.</exception>
    public static DataFile FromMemory(ReadOnlyMemory<byte> content, string name)
    {
        var segment = MemoryMarshal.TryGetArray(content, out var array) ? array : new ArraySegment<byte>(content.ToArray());
        return new DataFile(new MemoryStream(segment.Array!, segment.Offset, segment.Count, writable: false), name);
    }

    /// <summary>Hex SHA-256 of the file and its length in bytes.</summary>
    public (string Sha256, long Length) Digest()
    {
        _stream.Position = 0;
        return (Convert.ToHexStringLower(SHA256.HashData(_stream)), _stream.Length);
    }

    /// <summary>A stream that stands at the first element of an array. Several may be open at once.</summary>
    /// <exception cref="InputException">The file changed, or its compressed data is damaged.</exception>
    public Stream OpenElements(string array)
    {
        var subject = SubjectOf(array);
        if (_archive is null)
        {
            _stream.Position = 0;
            NpyHeader.Read(_stream, subject);
            return new OpenStream(_stream, subject, _stream.Position);
        }

        var stream = new OpenStream(_archive.GetEntry(array + Extension)!.Open(), subject);
        NpyHeader.Read(stream, subject);
        return stream;
    }

    /// <summary>Reads every floating-point array once and refuses NaN and infinity.</summary>
    /// <exception cref="InputException">An element is not a number, named by its index, or the data is damaged.</exception>
    public void CheckFinite()
    {
        const int Chunk = 1 << 16;
        var buffer = new byte[Chunk];
        foreach (var (name, header) in _headers.Where(entry => entry.Value.Type.IsFloat()))
        {
            using var stream = OpenElements(name);
            for (long done = 0; done < header.ByteLength;)
            {
                var part = buffer.AsSpan(0, (int)Math.Min(Chunk, header.ByteLength - done));
                ReadFully(stream, part, SubjectOf(name));
                var index = NpyElements.FirstNotFinite(header.Type, part);
                if (index >= 0)
                    throw NotFinite(SubjectOf(name), header, (done / header.Type.Size()) + index);
                done += part.Length;
            }
        }
    }

    public void Dispose()
    {
        _archive?.Dispose();
        _stream.Dispose();
    }

    internal string SubjectOf(string array) => _archive is null ? Name : $"{Name}:{array}";

    internal static FileStream OpenFile(string path)
    {
        try
        {
            return new FileStream(RegularFile.Open(path), FileAccess.Read);
        }
        catch (FileNotFoundException exception)
        {
            throw new InputException("data-missing", path, $"The data file '{path}' does not exist.", "Check the path; it is relative to the recipe's folder.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new InputException("data-unreadable", path, $"The data file '{path}' cannot be read: {exception.Message}", "Check the path and the file's rights.", exception);
        }
    }

    /// <exception cref="InputException">The stream ends early.</exception>
    internal static void ReadFully(Stream stream, Span<byte> target, string subject)
    {
        if (stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) < target.Length)
            throw NpyHeader.Malformed(subject, "is truncated");
    }

    internal static InputException NotFinite(string subject, NpyHeader header, long element)
    {
        var index = new long[header.Shape.Count];
        for (var axis = index.Length - 1; axis >= 0; axis--)
            (element, index[axis]) = Math.DivRem(element, header.Shape[axis]);
        return new InputException(
            "data-not-finite", subject, $"'{subject}' holds NaN or infinity at [{string.Join(", ", index)}].", "Remove or repair the sample.");
    }

    internal static InputException Damaged(string subject, Exception exception) =>
        new("data-format", subject, $"'{subject}' is damaged: {exception.Message}", "Write the data with numpy.save or numpy.savez.", exception);

    private static bool IsZip(Stream stream)
    {
        Span<byte> start = stackalloc byte[2];
        var isZip = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) == start.Length && start.SequenceEqual("PK"u8);
        stream.Position = 0;
        return isZip;
    }

    private void ReadEntries(ZipArchive archive)
    {
        foreach (var entry in archive.Entries)
        {
            if (entry.FullName.Any(char.IsControl))
                throw NpyHeader.Malformed(Name, "holds an array with control characters in its name");
            if (!entry.FullName.EndsWith(Extension, StringComparison.Ordinal))
                throw NpyHeader.Malformed(Name, $"holds '{entry.FullName}', which is no array");
            var subject = $"{Name}:{entry.FullName[..^Extension.Length]}";
            if (entry.Length / MaxExpansion > entry.CompressedLength)
                throw NpyHeader.Malformed(subject, $"declares {entry.Length} bytes in {entry.CompressedLength} compressed ones, more than can be");
            using var stream = entry.Open();
            var counted = new OpenStream(stream, subject);
            var header = NpyHeader.Read(counted, subject);
            CheckLength(header, counted.Done, entry.Length, subject);
            if (!_headers.TryAdd(entry.FullName[..^Extension.Length], header))
                throw NpyHeader.Malformed(subject, "occurs twice");
        }
    }

    private static void CheckLength(NpyHeader header, long start, long length, string subject)
    {
        if (start + header.ByteLength > length)
            throw NpyHeader.Malformed(subject, $"is truncated: {header} takes {header.ByteLength} bytes, but {length - start} are there");
        if (start + header.ByteLength < length)
            throw NpyHeader.Malformed(subject, $"has {length - start} bytes of elements where {header} takes {header.ByteLength}");
    }

    /// <summary>Turns what a decompressor throws into an error of the input, and counts.</summary>
    /// <param name="start">Where it begins in a stream that others read, too; null in one of its own.</param>
    private sealed class OpenStream(Stream inner, string subject, long? start = null) : Stream
    {
        public long Done { get; private set; }

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => Done;
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            try
            {
                if (start is { } first)
                    inner.Position = first + Done;
                var count = inner.Read(buffer);
                Done += count;
                return count;
            }
            catch (InvalidDataException exception)
            {
                throw Damaged(subject, exception);
            }
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            // A lone .npy file's stream belongs to the file.
            if (disposing && start is null)
                inner.Dispose();
            base.Dispose(disposing);
        }
    }
}
