using System.Runtime.InteropServices;

namespace Orchestrator.OnnxRuntime.Native;

/// <summary>
/// The functions of the table that we call, each with its C signature. Functions that return a status throw it as
/// <see cref="OrtException"/>; results come back as the return value.
/// </summary>
internal static unsafe class OrtApi
{
    internal static void Release(OrtFunction release, nint handle) => ((delegate* unmanaged<nint, void>)Entry(release))(handle);

    internal static nint CreateEnv(LoggingLevel level, byte* name)
    {
        nint result;
        Check(((delegate* unmanaged<int, byte*, nint*, nint>)Entry(OrtFunction.CreateEnv))((int)level, name, &result));
        return result;
    }

    internal static string BuildDescription() =>
        Marshal.PtrToStringUTF8((nint)((delegate* unmanaged<byte*>)Entry(OrtFunction.GetBuildInfoString))()) ?? "";

    internal static string[] AvailableProviders()
    {
        byte** names;
        int count;
        Check(((delegate* unmanaged<byte***, int*, nint>)Entry(OrtFunction.GetAvailableProviders))(&names, &count));
        var result = new string[count];
        for (var i = 0; i < count; i++)
            result[i] = TextAt(names[i]);
        Check(((delegate* unmanaged<byte**, int, nint>)Entry(OrtFunction.ReleaseAvailableProviders))(names, count));
        return result;
    }

    internal static nint CreateSession(nint environment, byte* path, nint options)
    {
        nint result;
        Check(((delegate* unmanaged<nint, byte*, nint, nint*, nint>)Entry(OrtFunction.CreateSession))(environment, path, options, &result));
        return result;
    }

    internal static nint CreateSessionFromArray(nint environment, byte* model, nuint length, nint options)
    {
        nint result;
        Check(((delegate* unmanaged<nint, byte*, nuint, nint, nint*, nint>)Entry(OrtFunction.CreateSessionFromArray))(environment, model, length, options, &result));
        return result;
    }

    internal static void Run(nint session, nint runOptions, byte** inputNames, nint* inputs, int inputCount, byte** outputNames, int outputCount, nint* outputs) =>
        Check(((delegate* unmanaged<nint, nint, byte**, nint*, nuint, byte**, nuint, nint*, nint>)Entry(OrtFunction.Run))(
            session, runOptions, inputNames, inputs, (nuint)inputCount, outputNames, (nuint)outputCount, outputs));

    internal static int Count(OrtFunction function, nint owner)
    {
        nuint result;
        Check(((delegate* unmanaged<nint, nuint*, nint>)Entry(function))(owner, &result));
        return checked((int)result);
    }

    /// <summary>Name of input or output <paramref name="index"/> of a session.</summary>
    internal static string Name(OrtFunction function, nint session, int index)
    {
        var allocator = DefaultAllocator();
        byte* name;
        Check(((delegate* unmanaged<nint, nuint, nint, byte**, nint>)Entry(function))(session, (nuint)index, allocator, &name));
        var result = TextAt(name);
        Free(allocator, (nint)name);
        return result;
    }

    /// <summary>Type of input or output <paramref name="index"/> of a session; the caller releases it.</summary>
    internal static nint TypeOf(OrtFunction function, nint session, int index)
    {
        nint result;
        Check(((delegate* unmanaged<nint, nuint, nint*, nint>)Entry(function))(session, (nuint)index, &result));
        return result;
    }

    /// <summary>The tensor part of a type, owned by the type; 0 for types other than tensors.</summary>
    internal static nint CastTypeToTensor(nint type) => Get(OrtFunction.CastTypeInfoToTensorInfo, type);

    internal static ElementType TensorElementType(nint shape)
    {
        int result;
        Check(((delegate* unmanaged<nint, int*, nint>)Entry(OrtFunction.GetTensorElementType))(shape, &result));
        return (ElementType)result;
    }

    internal static long[] Dimensions(nint shape)
    {
        var dimensions = new long[Count(OrtFunction.GetDimensionsCount, shape)];
        fixed (long* pointer = dimensions)
            Check(((delegate* unmanaged<nint, long*, nuint, nint>)Entry(OrtFunction.GetDimensions))(shape, pointer, (nuint)dimensions.Length));
        return dimensions;
    }

    /// <summary>Names of the dimensions; empty where a dimension is a number or unnamed.</summary>
    internal static string[] SymbolicDimensions(nint shape, int count)
    {
        var pointers = stackalloc byte*[count];
        Check(((delegate* unmanaged<nint, byte**, nuint, nint>)Entry(OrtFunction.GetSymbolicDimensions))(shape, pointers, (nuint)count));
        var result = new string[count];
        for (var i = 0; i < count; i++)
            result[i] = TextAt(pointers[i]);
        return result;
    }

    /// <summary>A function that makes a new object out of nothing or of its parent.</summary>
    internal static nint Get(OrtFunction function, nint owner)
    {
        nint result;
        Check(((delegate* unmanaged<nint, nint*, nint>)Entry(function))(owner, &result));
        return result;
    }

    internal static nint Create(OrtFunction function)
    {
        nint result;
        Check(((delegate* unmanaged<nint*, nint>)Entry(function))(&result));
        return result;
    }

    /// <summary>A function whose only argument is the object it acts on.</summary>
    internal static void Act(OrtFunction function, nint owner) => Check(((delegate* unmanaged<nint, nint>)Entry(function))(owner));

    internal static void SetNumber(OrtFunction function, nint owner, int value) => Check(((delegate* unmanaged<nint, int, nint>)Entry(function))(owner, value));

    /// <summary>C's bool travels as one byte.</summary>
    internal static void SetFlag(OrtFunction function, nint owner, bool value) =>
        Check(((delegate* unmanaged<nint, byte, nint>)Entry(function))(owner, value ? (byte)1 : (byte)0));

    internal static void SetText(OrtFunction function, nint owner, byte* value) => Check(((delegate* unmanaged<nint, byte*, nint>)Entry(function))(owner, value));

    internal static void SetEntry(OrtFunction function, nint owner, byte* key, byte* value) =>
        Check(((delegate* unmanaged<nint, byte*, byte*, nint>)Entry(function))(owner, key, value));

    internal static void AddFreeDimensionOverrideByName(nint options, byte* name, long value) =>
        Check(((delegate* unmanaged<nint, byte*, long, nint>)Entry(OrtFunction.AddFreeDimensionOverrideByName))(options, name, value));

    internal static void AddInitializer(nint options, byte* name, nint value) =>
        Check(((delegate* unmanaged<nint, byte*, nint, nint>)Entry(OrtFunction.AddInitializer))(options, name, value));

    internal static void AddExternalInitializers(nint options, byte** names, nint* values, int count) =>
        Check(((delegate* unmanaged<nint, byte**, nint*, nuint, nint>)Entry(OrtFunction.AddExternalInitializers))(options, names, values, (nuint)count));

    internal static void AppendProvider(nint options, byte* name, byte** keys, byte** values, int count) =>
        Check(((delegate* unmanaged<nint, byte*, byte**, byte**, nuint, nint>)Entry(OrtFunction.SessionOptionsAppendExecutionProvider))(
            options, name, keys, values, (nuint)count));

    internal static void UpdateCudaOptions(nint cudaOptions, byte** keys, byte** values, int count) =>
        Check(((delegate* unmanaged<nint, byte**, byte**, nuint, nint>)Entry(OrtFunction.UpdateCUDAProviderOptions))(cudaOptions, keys, values, (nuint)count));

    internal static void AppendCuda(nint options, nint cudaOptions) =>
        Check(((delegate* unmanaged<nint, nint, nint>)Entry(OrtFunction.SessionOptionsAppendExecutionProvider_CUDA_V2))(options, cudaOptions));

    internal static nint CreateMemoryDescription(byte* name, int allocatorKind, int device, int memoryKind)
    {
        nint result;
        Check(((delegate* unmanaged<byte*, int, int, int, nint*, nint>)Entry(OrtFunction.CreateMemoryInfo))(name, allocatorKind, device, memoryKind, &result));
        return result;
    }

    internal static nint CreateCpuMemoryDescription(int allocatorKind, int memoryKind)
    {
        nint result;
        Check(((delegate* unmanaged<int, int, nint*, nint>)Entry(OrtFunction.CreateCpuMemoryInfo))(allocatorKind, memoryKind, &result));
        return result;
    }

    internal static string MemoryName(nint memory)
    {
        byte* name;
        Check(((delegate* unmanaged<nint, byte**, nint>)Entry(OrtFunction.MemoryInfoGetName))(memory, &name));
        return TextAt(name);
    }

    /// <summary>0 is the CPU.</summary>
    internal static int MemoryDeviceKind(nint memory)
    {
        int result;
        ((delegate* unmanaged<nint, int*, void>)Entry(OrtFunction.MemoryInfoGetDeviceType))(memory, &result);
        return result;
    }

    internal static nint CreateTensor(nint allocator, ReadOnlySpan<long> shape, ElementType type)
    {
        nint result;
        fixed (long* pointer = shape)
        {
            Check(((delegate* unmanaged<nint, long*, nuint, int, nint*, nint>)Entry(OrtFunction.CreateTensorAsOrtValue))(
                allocator, pointer, (nuint)shape.Length, (int)type, &result));
        }

        return result;
    }

    internal static nint CreateTensorOver(nint memory, void* data, long byteLength, ReadOnlySpan<long> shape, ElementType type)
    {
        nint result;
        fixed (long* pointer = shape)
        {
            Check(((delegate* unmanaged<nint, void*, nuint, long*, nuint, int, nint*, nint>)Entry(OrtFunction.CreateTensorWithDataAsOrtValue))(
                memory, data, checked((nuint)byteLength), pointer, (nuint)shape.Length, (int)type, &result));
        }

        return result;
    }

    internal static bool IsTensor(nint value)
    {
        int result;
        Check(((delegate* unmanaged<nint, int*, nint>)Entry(OrtFunction.IsTensor))(value, &result));
        return result != 0;
    }

    internal static nint TensorData(nint value) => Get(OrtFunction.GetTensorMutableData, value);

    internal static void RunWithBinding(nint session, nint runOptions, nint binding) =>
        Check(((delegate* unmanaged<nint, nint, nint, nint>)Entry(OrtFunction.RunWithBinding))(session, runOptions, binding));

    /// <summary>Binds an input or output to a value, or an output to a kind of memory.</summary>
    internal static void Bind(OrtFunction function, nint binding, byte* name, nint target) =>
        Check(((delegate* unmanaged<nint, byte*, nint, nint>)Entry(function))(binding, name, target));

    /// <summary>The bound outputs after a run; the caller releases each.</summary>
    internal static nint[] BoundOutputs(nint binding)
    {
        var allocator = DefaultAllocator();
        nint* values = null;
        nuint count;
        Check(((delegate* unmanaged<nint, nint, nint**, nuint*, nint>)Entry(OrtFunction.GetBoundOutputValues))(binding, allocator, &values, &count));
        if (values is null)
            return [];
        var result = new Span<nint>(values, checked((int)count)).ToArray();
        Free(allocator, (nint)values);
        return result;
    }

    internal static void ClearBound(OrtFunction function, nint binding) => ((delegate* unmanaged<nint, void>)Entry(function))(binding);

    /// <summary>The process-wide CPU allocator, which is never released.</summary>
    internal static nint DefaultAllocator() => Create(OrtFunction.GetAllocatorWithDefaultOptions);

    private static void Free(nint allocator, nint memory) =>
        Check(((delegate* unmanaged<nint, nint, nint>)Entry(OrtFunction.AllocatorFree))(allocator, memory));

    private static void Check(nint status)
    {
        if (status != 0)
            Throw(status);
    }

    private static void Throw(nint status)
    {
        var code = (OrtErrorCode)((delegate* unmanaged<nint, int>)Entry(OrtFunction.GetErrorCode))(status);
        var message = TextAt(((delegate* unmanaged<nint, byte*>)Entry(OrtFunction.GetErrorMessage))(status));
        Release(OrtFunction.ReleaseStatus, status);
        throw new OrtException(code, message);
    }

    private static string TextAt(byte* text) => Marshal.PtrToStringUTF8((nint)text) ?? "";

    private static void* Entry(OrtFunction function) => OrtLibrary.Table[(int)function];
}
