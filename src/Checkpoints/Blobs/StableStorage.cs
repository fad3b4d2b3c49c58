using System.Runtime.InteropServices;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>A step of writing or deleting a file, between which a process may die.</summary>
internal enum StorageStep
{
    CreateFile,
    WriteFile,
    FlushFile,
    CreateFolder,
    Link,
    Delete,
    FlushFolder,
}

/// <summary>The few calls of the operating system that make a file appear at once, once only, and stay there after a power cut.</summary>
internal partial class StableStorage
{
    private const int ReadOnly = 0;
    private const int FileExists = 17;

    /// <summary>Called before each step with the path it is about.</summary>
    public virtual void Before(StorageStep step, string path)
    {
    }

    public void Delete(string path)
    {
        Before(StorageStep.Delete, path);
        File.Delete(path);
    }

    /// <summary>Gives a finished file its name unless the name is taken. Atomic: of two processes exactly one succeeds.</summary>
    /// <returns>False where the name is taken. The temporary file is gone either way.</returns>
    public bool Publish(string temporary, string final)
    {
        // File.Move without overwriting looks first and renames then on Unix, which lets two processes win; a hard link cannot.
        if (OperatingSystem.IsWindows())
            return PublishByMove(temporary, final);
        Before(StorageStep.Link, final);
        var failed = Link(temporary, final) != 0;
        var error = Marshal.GetLastPInvokeError();
        if (failed && error != FileExists)
            throw new IOException($"Cannot link '{final}': {Marshal.GetPInvokeErrorMessage(error)}. The store needs a file system with hard links", error);
        Delete(temporary);
        return !failed;
    }

    /// <summary>Makes a file's content durable.</summary>
    public virtual void FlushFile(FileStream file, string path)
    {
        Before(StorageStep.FlushFile, path);
        file.Flush(flushToDisk: true);
    }

    /// <summary>Makes the entries of a folder durable.</summary>
    public virtual void FlushFolder(string folder)
    {
        Before(StorageStep.FlushFolder, folder);
        // Windows journals folder entries itself and offers no call for it.
        if (OperatingSystem.IsWindows())
            return;
        var descriptor = Open(folder, ReadOnly);
        if (descriptor < 0)
            throw new IOException($"Cannot open folder '{folder}': {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        try
        {
            if (FlushDescriptor(descriptor) != 0)
                throw new IOException($"Cannot flush folder '{folder}': {Marshal.GetLastPInvokeErrorMessage()}", Marshal.GetLastPInvokeError());
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    private static bool PublishByMove(string temporary, string final)
    {
        try
        {
            File.Move(temporary, final, overwrite: false);
            return true;
        }
        catch (IOException) when (File.Exists(final))
        {
            File.Delete(temporary);
            return false;
        }
    }

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int FlushDescriptor(int descriptor);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Close(int descriptor);
}
