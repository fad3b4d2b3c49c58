using System.Buffers;
using System.Runtime.InteropServices;

namespace Orchestrator.OnnxRuntime.Native;

/// <summary>
/// A native object that is released exactly once, by Dispose or by the finaliser, and never while a call uses it. A child
/// holds a reference to its parent, so the parent's native object outlives the child's whatever the order of disposal.
/// </summary>
internal abstract class OrtHandle : SafeHandle
{
    private readonly OrtFunction _release;
    private readonly OrtHandle? _parent;

    protected OrtHandle(OrtFunction release, nint value, OrtHandle? parent)
        : base(0, ownsHandle: true)
    {
        _release = release;
        // First, so that the finaliser releases the object even when the parent turns out to be gone.
        SetHandle(value);
        if (parent is null)
            return;
        var added = false;
        parent.DangerousAddRef(ref added);
        _parent = parent;
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>Disposed by its owner, even where children or bindings still keep the native object; SafeHandle itself does not tell.</summary>
    internal bool IsDisposed { get; private set; }

    protected override void Dispose(bool disposing)
    {
        IsDisposed = true;
        base.Dispose(disposing);
    }

    protected override bool ReleaseHandle()
    {
        OrtApi.Release(_release, handle);
        _parent?.DangerousRelease();
        return true;
    }
}

internal sealed class EnvironmentHandle(nint value) : OrtHandle(OrtFunction.ReleaseEnv, value, null);

internal sealed class SessionOptionsHandle(nint value) : OrtHandle(OrtFunction.ReleaseSessionOptions, value, null);

internal sealed class CudaOptionsHandle(nint value) : OrtHandle(OrtFunction.ReleaseCUDAProviderOptions, value, null);

/// <summary>A session, together with the values it took for initializers and what lives as long as it does.</summary>
internal sealed class SessionHandle : OrtHandle
{
    private readonly ValueHandle[] _initializers;
    private readonly IDisposable[] _attached;

    internal SessionHandle(nint value, EnvironmentHandle environment, ValueHandle[] initializers, IDisposable[] attached)
        : base(OrtFunction.ReleaseSession, value, environment)
    {
        _attached = attached;
        _initializers = initializers;
        foreach (var initializer in initializers)
        {
            var added = false;
            initializer.DangerousAddRef(ref added);
        }
    }

    protected override bool ReleaseHandle()
    {
        base.ReleaseHandle();
        foreach (var initializer in _initializers)
            initializer.DangerousRelease();
        foreach (var attached in _attached)
            attached.Dispose();
        return true;
    }
}

internal sealed class RunOptionsHandle(nint value) : OrtHandle(OrtFunction.ReleaseRunOptions, value, null);

internal sealed class MemoryDescriptionHandle(nint value) : OrtHandle(OrtFunction.ReleaseMemoryInfo, value, null);

internal sealed class TypeDescriptionHandle(nint value) : OrtHandle(OrtFunction.ReleaseTypeInfo, value, null);

internal sealed class ShapeHandle(nint value) : OrtHandle(OrtFunction.ReleaseTensorTypeAndShapeInfo, value, null);

/// <summary>A value, together with what keeps its memory in place: a pin, an owner, or the session whose allocator it came from.</summary>
internal sealed class ValueHandle(nint value, OrtHandle? parent = null, MemoryHandle pin = default, object? owner = null)
    : OrtHandle(OrtFunction.ReleaseValue, value, parent)
{
    private MemoryHandle _pin = pin;
    private object? _owner = owner;

    protected override bool ReleaseHandle()
    {
        base.ReleaseHandle();
        _pin.Dispose();
        _owner = null;
        return true;
    }

    /// <summary>The object whose life the memory depends on; reachable as long as the handle is.</summary>
    internal object? Owner => _owner;
}

/// <summary>A binding, together with references to the values bound, so that their memory stays in place as long as the runtime may use it.</summary>
internal sealed class IoBindingHandle(nint value, SessionHandle session) : OrtHandle(OrtFunction.ReleaseIoBinding, value, session)
{
    private readonly Dictionary<(bool IsInput, string Name), ValueHandle> _bound = [];

    /// <exception cref="ObjectDisposedException">The value was disposed before.</exception>
    internal void Hold(bool isInput, string name, ValueHandle bound)
    {
        var added = false;
        bound.DangerousAddRef(ref added);
        LetGo(isInput, name);
        _bound[(isInput, name)] = bound;
    }

    internal void LetGo(bool isInput, string name)
    {
        if (_bound.Remove((isInput, name), out var former))
            former.DangerousRelease();
    }

    internal void LetGo(bool isInput)
    {
        foreach (var (_, name) in _bound.Keys.Where(key => key.IsInput == isInput).ToArray())
            LetGo(isInput, name);
    }

    protected override bool ReleaseHandle()
    {
        base.ReleaseHandle();
        foreach (var bound in _bound.Values)
            bound.DangerousRelease();
        _bound.Clear();
        return true;
    }
}
