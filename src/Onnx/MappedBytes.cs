using System.Buffers;
using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx;

/// <summary>
/// Part of a file as memory: found, checked for its length and mapped when it is first looked at, unmapped when nothing refers to it any
/// more. The file must not change meanwhile. A reader of everything uses <see cref="Scan"/>, which maps nothing.
/// </summary>
/// <param name="open">Opens the file each time that it is read or mapped, and may check it.</param>
/// <param name="subject">Whose bytes they are, for messages.</param>
public sealed unsafe partial class MappedBytes(Func<SafeFileHandle> open, long offset, int length, string subject) : MemoryManager<byte>
{
    private const int ScanBytes = 1 << 22;
    private const int DropPages = 4;

    private readonly Lock _lock = new();
    private MemoryMappedViewAccessor? _view;
    private byte* _start;

    /// <summary>Number of bytes; asking for it does not touch the file.</summary>
    public int Length => length;

    /// <summary>Whose bytes they are.</summary>
    public string Subject => subject;

    /// <summary>Where the bytes lie in the file system; null before they are mapped, and where the system does not tell.</summary>
    public ExternalPlace? Place { get; private set; }

    /// <summary>Memory that is mapped when its span is asked for.</summary>
    public override Memory<byte> Memory => CreateMemory(length);

    /// <exception cref="OnnxException">The file is gone, cannot be read, or became shorter.</exception>
    public override Span<byte> GetSpan() => new(Start(), length);

    public override MemoryHandle Pin(int elementIndex = 0) => new(Start() + elementIndex, default, this);

    public override void Unpin()
    {
        // Mapped memory does not move.
    }

    /// <summary>All bytes in order, read piece by piece into one small buffer; pieces hold whole elements of any type.</summary>
    /// <exception cref="OnnxException">The file is gone, cannot be read, or became shorter.</exception>
    public void Scan(Action<ReadOnlyMemory<byte>> piece)
    {
        try
        {
            using var file = open();
            var buffer = GC.AllocateUninitializedArray<byte>(Math.Min(length, ScanBytes));
            for (long done = 0; done < length;)
            {
                var wanted = (int)Math.Min(buffer.Length, length - done);
                for (var filled = 0; filled < wanted;)
                {
                    var read = RandomAccess.Read(file, buffer.AsSpan(filled, wanted - filled), offset + done + filled);
                    filled += read > 0 ? read : throw Shorter();
                }
                piece(buffer.AsMemory(0, wanted));
                done += wanted;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(subject, $"external data cannot be read: {e.Message}", e);
        }
    }

    /// <summary>Gives the pages back to the system, which fetches them again when they are looked at. Safe while others read.</summary>
    public void Release()
    {
        if (_view is not { } view || !OperatingSystem.IsLinux())
            return;
        var size = (nuint)(view.PointerOffset + length);
        _ = Advise(_start - view.PointerOffset, size, DropPages);
        GC.KeepAlive(view);
    }

    protected override void Dispose(bool disposing) => _view?.Dispose();

    private byte* Start()
    {
        if (_start is null)
            Map();
        return _start;
    }

    private void Map()
    {
        lock (_lock)
        {
            if (_view is not null)
                return;
            try
            {
                using var file = open();
                if (RandomAccess.GetLength(file) < offset + length)
                    throw Shorter();
                using var mapping = MemoryMappedFile.CreateFromFile(file, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
                var view = mapping.CreateViewAccessor(offset, length, MemoryMappedFileAccess.Read);
                _start = (byte*)view.SafeMemoryMappedViewHandle.DangerousGetHandle() + view.PointerOffset;
                Place = RegularFile.Location(file) is { } path ? new ExternalPlace(path, offset) : null;
                _view = view;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new OnnxException(subject, $"external data cannot be read: {e.Message}", e);
            }
        }
    }

    private OnnxException Shorter() => new(subject, "the external data file became shorter while it was read");

    [LibraryImport("libc", EntryPoint = "madvise")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Advise(void* address, nuint length, int advice);
}

/// <summary>A file that a model's tensors lie in.</summary>
/// <param name="Name">Tells one file from another.</param>
/// <param name="Length">Bytes.</param>
/// <param name="Open">Opens the file each time that a tensor's bytes are needed, and may check it.</param>
public sealed record ExternalFile(string Name, long Length, Func<SafeFileHandle> Open);

/// <summary>Where a tensor's bytes lie outside the model's message.</summary>
/// <param name="Location">A file's name, or what whoever reads the model finds the bytes by.</param>
public readonly record struct ExternalPlace(string Location, long Offset);
