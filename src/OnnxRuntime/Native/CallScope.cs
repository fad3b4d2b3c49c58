using System.Runtime.InteropServices;
using System.Text;

namespace Orchestrator.OnnxRuntime.Native;

/// <summary>Keeps the handles and strings of one native call alive until the call has returned.</summary>
internal sealed unsafe class CallScope : IDisposable
{
    private readonly List<SafeHandle> _handles = [];
    private readonly List<nint> _allocations = [];

    /// <exception cref="ObjectDisposedException">The handle was disposed before.</exception>
    internal nint Use(OrtHandle handle)
    {
        ObjectDisposedException.ThrowIf(handle.IsDisposed, handle);
        var added = false;
        handle.DangerousAddRef(ref added);
        _handles.Add(handle);
        return handle.DangerousGetHandle();
    }

    internal nint UseOptional(OrtHandle? handle) => handle is null ? 0 : Use(handle);

    /// <summary>The text in UTF-8, ended by a zero byte.</summary>
    internal byte* Text(string text)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        var bytes = Allocate(length + 1);
        Encoding.UTF8.GetBytes(text, new Span<byte>(bytes, length));
        bytes[length] = 0;
        return bytes;
    }

    internal byte** Texts(IReadOnlyList<string> texts)
    {
        var pointers = (byte**)Allocate(Math.Max(1, texts.Count) * sizeof(byte*));
        for (var i = 0; i < texts.Count; i++)
            pointers[i] = Text(texts[i]);
        return pointers;
    }

    /// <summary>A path in the characters that the C API takes on this system: UTF-16 on Windows, UTF-8 elsewhere.</summary>
    internal byte* FilePath(string path)
    {
        if (!OperatingSystem.IsWindows())
            return Text(path);
        var length = path.Length * sizeof(char);
        var bytes = Allocate(length + sizeof(char));
        Encoding.Unicode.GetBytes(path, new Span<byte>(bytes, length));
        *(char*)(bytes + length) = '\0';
        return bytes;
    }

    internal nint* Values(IReadOnlyList<OrtValue> values)
    {
        var pointers = (nint*)Allocate(Math.Max(1, values.Count) * sizeof(nint));
        for (var i = 0; i < values.Count; i++)
            pointers[i] = Use(values[i].Handle);
        return pointers;
    }

    internal nint* EmptyValues(int count)
    {
        var pointers = (nint*)Allocate(Math.Max(1, count) * sizeof(nint));
        new Span<nint>(pointers, count).Clear();
        return pointers;
    }

    public void Dispose()
    {
        foreach (var handle in _handles)
            handle.DangerousRelease();
        foreach (var allocation in _allocations)
            NativeMemory.Free((void*)allocation);
        _handles.Clear();
        _allocations.Clear();
    }

    private byte* Allocate(int bytes)
    {
        var memory = (byte*)NativeMemory.Alloc((nuint)bytes);
        _allocations.Add((nint)memory);
        return memory;
    }
}
