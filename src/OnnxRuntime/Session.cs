using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>An input or output of a model.</summary>
/// <param name="ElementType"><see cref="ElementType.Undefined"/> for values other than tensors.</param>
/// <param name="Shape">−1 where a dimension is open.</param>
/// <param name="DimensionNames">Names of open dimensions; empty where there is none.</param>
public sealed record ValueDescription(string Name, ElementType ElementType, IReadOnlyList<long> Shape, IReadOnlyList<string> DimensionNames);

/// <summary>A model ready to run. Safe to run from several threads at once.</summary>
public sealed unsafe class Session : IDisposable
{
    private readonly SessionHandle _handle;

    private Session(SessionHandle handle)
    {
        _handle = handle;
        using var scope = new CallScope();
        var session = scope.Use(handle);
        Inputs = Describe(session, OrtFunction.SessionGetInputCount, OrtFunction.SessionGetInputName, OrtFunction.SessionGetInputTypeInfo);
        Outputs = Describe(session, OrtFunction.SessionGetOutputCount, OrtFunction.SessionGetOutputName, OrtFunction.SessionGetOutputTypeInfo);
    }

    public IReadOnlyList<ValueDescription> Inputs { get; }

    public IReadOnlyList<ValueDescription> Outputs { get; }

    internal SessionHandle Handle => _handle;

    /// <summary>Loads a model file; external data is read from beside it.</summary>
    /// <exception cref="OrtException">The file is missing or no valid model, or the options are refused.</exception>
    public static Session FromFile(OrtEnvironment environment, string path, SessionOptions options)
    {
        using var native = options.CreateHandle();
        using var scope = new CallScope();
        return Wrap(OrtApi.CreateSession(scope.Use(environment.Handle), scope.FilePath(path), scope.Use(native)), environment, options);
    }

    /// <summary>Loads a model from memory, which is not needed afterwards.</summary>
    /// <exception cref="OrtException">The bytes are no valid model, or the options are refused.</exception>
    public static Session FromBytes(OrtEnvironment environment, ReadOnlySpan<byte> model, SessionOptions options)
    {
        using var native = options.CreateHandle();
        using var scope = new CallScope();
        fixed (byte* bytes = model)
        {
            return Wrap(OrtApi.CreateSessionFromArray(scope.Use(environment.Handle), bytes, (nuint)model.Length, scope.Use(native)), environment, options);
        }
    }

    /// <summary>Runs the model and returns the outputs named, in that order.</summary>
    /// <exception cref="OrtException">A name, type or shape does not fit the model, or an operator failed.</exception>
    /// <exception cref="OperationCanceledException">The token of the options was cancelled.</exception>
    /// <exception cref="ObjectDisposedException"/>
    public OrtValueList Run(
        IReadOnlyList<string> inputNames, IReadOnlyList<OrtValue> inputs, IReadOnlyList<string> outputNames, RunOptions? options = null)
    {
        if (inputNames.Count != inputs.Count)
            throw new ArgumentException($"{inputNames.Count} names for {inputs.Count} inputs.", nameof(inputs));
        using var scope = new CallScope();
        var session = scope.Use(_handle);
        var outputs = scope.EmptyValues(outputNames.Count);
        Guard(options, () => OrtApi.Run(
            session,
            scope.UseOptional(options?.Handle),
            scope.Texts(inputNames),
            scope.Values(inputs),
            inputs.Count,
            scope.Texts(outputNames),
            outputNames.Count,
            outputs));
        return Wrap(new ReadOnlySpan<nint>(outputs, outputNames.Count));
    }

    /// <summary>Runs the model on what the binding holds; results are in the binding's outputs.</summary>
    /// <exception cref="OrtException">An input or output is not bound or does not fit, or an operator failed.</exception>
    /// <exception cref="OperationCanceledException">The token of the options was cancelled.</exception>
    /// <exception cref="ObjectDisposedException"/>
    public void RunWithBinding(IoBinding binding, RunOptions? options = null)
    {
        using var scope = new CallScope();
        var session = scope.Use(_handle);
        Guard(options, () => OrtApi.RunWithBinding(session, scope.UseOptional(options?.Handle), scope.Use(binding.Handle)));
    }

    public void Dispose() => _handle.Dispose();

    /// <summary>Wraps values the caller owns; they keep the session alive, whose allocator their memory came from.</summary>
    internal OrtValueList Wrap(ReadOnlySpan<nint> values)
    {
        var handles = new ValueHandle[values.Length];
        for (var i = 0; i < values.Length; i++)
            handles[i] = new ValueHandle(values[i], _handle);
        return new OrtValueList(Array.ConvertAll(handles, handle => new OrtValue(handle)));
    }

    private static Session Wrap(nint session, OrtEnvironment environment, SessionOptions options)
    {
        var handle = new SessionHandle(session, environment.Handle, [.. options.Initializers.Values.Select(value => value.Handle)], [.. options.Attached]);
        try
        {
            return new Session(handle);
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private static void Guard(RunOptions? options, Action run)
    {
        var token = options?.CancellationToken ?? default;
        token.ThrowIfCancellationRequested();
        try
        {
            run();
        }
        catch (OrtException exception) when (token.IsCancellationRequested)
        {
            throw new OperationCanceledException(exception.Message, exception, token);
        }
    }

    private static ValueDescription[] Describe(nint session, OrtFunction count, OrtFunction name, OrtFunction type)
    {
        var descriptions = new ValueDescription[OrtApi.Count(count, session)];
        for (var i = 0; i < descriptions.Length; i++)
        {
            using var handle = new TypeDescriptionHandle(OrtApi.TypeOf(type, session, i));
            descriptions[i] = Describe(OrtApi.Name(name, session, i), handle);
        }

        return descriptions;
    }

    private static ValueDescription Describe(string name, TypeDescriptionHandle type)
    {
        using var scope = new CallScope();
        var tensor = OrtApi.CastTypeToTensor(scope.Use(type));
        if (tensor == 0)
            return new ValueDescription(name, ElementType.Undefined, [], []);
        var shape = OrtApi.Dimensions(tensor);
        return new ValueDescription(name, OrtApi.TensorElementType(tensor), shape, OrtApi.SymbolicDimensions(tensor, shape.Length));
    }
}
