using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Orchestrator.Onnx.Reading;

/// <summary>
/// Opens files that someone else named. Pipes, devices and sockets are refused without waiting for what they would deliver, and all that is
/// found out is found out on the open file, so that nobody can exchange it between the look and the use.
/// </summary>
public static partial class RegularFile
{
    private const int ReadOnlyNonBlockingCloseOnExec = 0x80800;
    private const int EmptyPath = 0x1000;
    private const uint BasicFacts = 0x7ff;
    private const int TypeMask = 0xF000;
    private const int RegularType = 0x8000;
    private const int FolderType = 0x4000;
    private const int NotThere = 2;
    private const int NotAFolder = 20;

    /// <summary>Opens for reading.</summary>
    /// <param name="path">Absolute, or relative to the working folder.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="IOException">It cannot be opened, or is a folder, a device, a pipe or a socket.</exception>
    public static SafeFileHandle Open(string path)
    {
        if (!OperatingSystem.IsLinux())
            return File.OpenHandle(path);
        var descriptor = OpenDescriptor(path, ReadOnlyNonBlockingCloseOnExec);
        if (descriptor < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            throw error is NotThere or NotAFolder
                ? new FileNotFoundException($"'{path}' does not exist", path)
                : new IOException($"'{path}': {Marshal.GetPInvokeErrorMessage(error)}");
        }
        var handle = new SafeFileHandle(descriptor, ownsHandle: true);
        try
        {
            var type = Facts(handle, path).Mode & TypeMask;
            return type == RegularType
                ? handle
                : throw new IOException($"'{path}' is {(type == FolderType ? "a folder" : "a device, a pipe or a socket")}, not a file");
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    /// <summary>Names that the file has in its file system: more than one where hard links lead to it. 1 where the system does not tell.</summary>
    public static int Links(SafeFileHandle handle) => OperatingSystem.IsLinux() ? (int)Facts(handle, "file").Links : 1;

    /// <summary>Where the open file really lies, every link followed; null where the system does not tell.</summary>
    public static string? Location(SafeFileHandle handle) =>
        OperatingSystem.IsLinux() ? new FileInfo($"/proc/self/fd/{handle.DangerousGetHandle()}").LinkTarget : null;

    private static FileFacts Facts(SafeFileHandle handle, string path)
    {
        var failed = Statx((int)handle.DangerousGetHandle(), "", EmptyPath, BasicFacts, out var facts) != 0;
        return failed ? throw new IOException($"'{path}': {Marshal.GetLastPInvokeErrorMessage()}") : facts;
    }

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int OpenDescriptor(string path, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Statx(int folder, string path, int flags, uint mask, out FileFacts facts);

    /// <summary>The kernel's <c>struct statx</c>, the same on every processor, as far as it is needed.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct FileFacts
    {
        [FieldOffset(16)]
        public uint Links;

        [FieldOffset(28)]
        public ushort Mode;
    }
}
