using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>
/// Inputs and outputs fixed ahead of runs: values of ours are read and written in place, outputs of unknown shape are
/// allocated in the memory asked for. Bound values stay in place until cleared, replaced or the binding is disposed. Not thread-safe.
/// </summary>
public sealed unsafe class IoBinding : IDisposable
{
    private readonly Session _session;

    /// <exception cref="ObjectDisposedException">The session was disposed.</exception>
    public IoBinding(Session session)
    {
        _session = session;
        using var scope = new CallScope();
        Handle = new IoBindingHandle(OrtApi.Get(OrtFunction.CreateIoBinding, scope.Use(session.Handle)), session.Handle);
    }

    internal IoBindingHandle Handle { get; }

    /// <exception cref="OrtException">The model has no such input.</exception>
    /// <exception cref="ObjectDisposedException"/>
    public void BindInput(string name, OrtValue value) => Bind(OrtFunction.BindInput, isInput: true, name, value);

    /// <summary>The run writes this output into the value, whose shape must be the output's.</summary>
    /// <exception cref="OrtException">The model has no such output.</exception>
    /// <exception cref="ObjectDisposedException"/>
    public void BindOutput(string name, OrtValue value) => Bind(OrtFunction.BindOutput, isInput: false, name, value);

    /// <summary>
    /// The run allocates this output in the memory described. It stays bound afterwards, so bind again before a run whose output
    /// has another shape.
    /// </summary>
    /// <exception cref="OrtException">The model has no such output.</exception>
    /// <exception cref="ObjectDisposedException"/>
    public void BindOutput(string name, MemoryDescription memory)
    {
        CheckName(_session.Outputs, name);
        using var scope = new CallScope();
        OrtApi.Bind(OrtFunction.BindOutputToDevice, scope.Use(Handle), scope.Text(name), scope.Use(memory.Handle));
        Handle.LetGo(isInput: false, name);
    }

    /// <summary>The outputs of the last run in the order they were first bound. The caller disposes them.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public OrtValueList GetOutputs()
    {
        using var scope = new CallScope();
        return _session.Wrap(OrtApi.BoundOutputs(scope.Use(Handle)));
    }

    /// <exception cref="ObjectDisposedException"/>
    public void ClearInputs() => Clear(OrtFunction.ClearBoundInputs, isInput: true);

    /// <exception cref="ObjectDisposedException"/>
    public void ClearOutputs() => Clear(OrtFunction.ClearBoundOutputs, isInput: false);

    /// <summary>Waits until the inputs have reached the device.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public void SynchronizeInputs() => Act(OrtFunction.SynchronizeBoundInputs);

    /// <summary>Waits until the outputs are complete.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public void SynchronizeOutputs() => Act(OrtFunction.SynchronizeBoundOutputs);

    public void Dispose() => Handle.Dispose();

    private void Bind(OrtFunction function, bool isInput, string name, OrtValue value)
    {
        CheckName(isInput ? _session.Inputs : _session.Outputs, name);
        using var scope = new CallScope();
        OrtApi.Bind(function, scope.Use(Handle), scope.Text(name), scope.Use(value.Handle));
        Handle.Hold(isInput, name, value.Handle);
    }

    private void Clear(OrtFunction function, bool isInput)
    {
        using var scope = new CallScope();
        OrtApi.ClearBound(function, scope.Use(Handle));
        Handle.LetGo(isInput);
    }

    private void Act(OrtFunction function)
    {
        using var scope = new CallScope();
        OrtApi.Act(function, scope.Use(Handle));
    }

    /// <summary>The runtime finds a wrong name late or not at all, and leaves the binding damaged.</summary>
    private static void CheckName(IReadOnlyList<ValueDescription> descriptions, string name)
    {
        if (!descriptions.Any(description => description.Name == name))
            throw new OrtException(OrtErrorCode.InvalidArgument, $"The model has no {name}; it has {string.Join(", ", descriptions.Select(description => description.Name))}.");
    }
}
