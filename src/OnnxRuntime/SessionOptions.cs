using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

public enum GraphOptimizationLevel
{
    None = 0,
    Basic = 1,
    Extended = 2,
    All = 99,
}

/// <summary>A device backend by the name ONNX Runtime gives it, with its own options.</summary>
/// <param name="Name"><c>CUDA</c>, <c>WebGPU</c> or another name that the generic call of the C API takes.</param>
public sealed record ExecutionProvider(string Name, IReadOnlyDictionary<string, string> Options)
{
    public const string CudaName = "CUDA";
    public const string WebGpuName = "WebGPU";

    public static ExecutionProvider Cuda(int device) => new(CudaName, new Dictionary<string, string> { ["device_id"] = device.ToString() });

    public static ExecutionProvider WebGpu { get; } = new(WebGpuName, new Dictionary<string, string>());
}

/// <summary>How a session computes. Read when a session is made; later changes have no effect on it.</summary>
public sealed unsafe class SessionOptions
{
    /// <summary>Threads inside one operator; 0 lets the runtime choose. One thread gives the same bits on every run.</summary>
    public int IntraOpThreads { get; set; } = 1;

    /// <summary>Threads across operators; 0 lets the runtime choose. Above 1, independent operators run in parallel.</summary>
    public int InterOpThreads { get; set; } = 1;

    public GraphOptimizationLevel OptimizationLevel { get; set; } = GraphOptimizationLevel.All;

    /// <summary>Asks every provider for kernels whose results do not vary between runs.</summary>
    public bool DeterministicCompute { get; set; } = true;

    /// <summary>Plans memory for a fixed input shape. Off where the shape changes from run to run.</summary>
    public bool MemoryPattern { get; set; } = true;

    /// <summary>Keeps freed CPU memory for the next run.</summary>
    public bool CpuMemoryArena { get; set; } = true;

    /// <summary>Severity for this session's own messages; null takes the environment's.</summary>
    public LoggingLevel? LogSeverity { get; set; }

    /// <summary>Where to write the graph as optimized; null writes nothing.</summary>
    public string? OptimizedModelPath { get; set; }

    /// <summary>How the name begins of a JSON file into which the time of every node goes when the session is released; null measures nothing.</summary>
    public string? ProfilePrefix { get; set; }

    /// <summary>In order of preference. Nodes that none takes run on the CPU.</summary>
    public IList<ExecutionProvider> Providers { get; } = [];

    /// <summary>Entries such as <c>session.intra_op.allow_spinning</c>.</summary>
    public IDictionary<string, string> ConfigEntries { get; } = new Dictionary<string, string>();

    /// <summary>Values for symbolic dimensions of the model's inputs, by the dimension's name.</summary>
    public IDictionary<string, long> FreeDimensions { get; } = new Dictionary<string, long>();

    /// <summary>
    /// Content for initializers that the model says lie outside it, by name. Not copied, and not seen by the runtime's graph optimizations:
    /// the session keeps the values, and with them whatever keeps their memory in place, until it is released. For nodes on the CPU.
    /// </summary>
    public IDictionary<string, OrtValue> Initializers { get; } = new Dictionary<string, OrtValue>();

    /// <summary>As <see cref="Initializers"/>, for nodes on any device; the runtime copies the content.</summary>
    public IDictionary<string, OrtValue> CopiedInitializers { get; } = new Dictionary<string, OrtValue>();

    /// <summary>Disposed when the session is released.</summary>
    public IList<IDisposable> Attached { get; } = [];

    /// <exception cref="OrtException">An option or provider is not known to the runtime, or a provider cannot start.</exception>
    internal SessionOptionsHandle CreateHandle()
    {
        var handle = new SessionOptionsHandle(OrtApi.Create(OrtFunction.CreateSessionOptions));
        try
        {
            using var scope = new CallScope();
            Apply(scope.Use(handle), scope);
            foreach (var provider in Providers)
                Append(scope.Use(handle), provider, scope);
            return handle;
        }
        catch
        {
            handle.Dispose();
            throw;
        }
    }

    private void Apply(nint options, CallScope scope)
    {
        OrtApi.SetNumber(OrtFunction.SetIntraOpNumThreads, options, IntraOpThreads);
        OrtApi.SetNumber(OrtFunction.SetInterOpNumThreads, options, InterOpThreads);
        OrtApi.SetNumber(OrtFunction.SetSessionExecutionMode, options, InterOpThreads == 1 ? 0 : 1);
        OrtApi.SetNumber(OrtFunction.SetSessionGraphOptimizationLevel, options, (int)OptimizationLevel);
        OrtApi.SetFlag(OrtFunction.SetDeterministicCompute, options, DeterministicCompute);
        OrtApi.Act(MemoryPattern ? OrtFunction.EnableMemPattern : OrtFunction.DisableMemPattern, options);
        OrtApi.Act(CpuMemoryArena ? OrtFunction.EnableCpuMemArena : OrtFunction.DisableCpuMemArena, options);
        if (LogSeverity is { } severity)
            OrtApi.SetNumber(OrtFunction.SetSessionLogSeverityLevel, options, (int)severity);
        if (OptimizedModelPath is { } path)
            OrtApi.SetText(OrtFunction.SetOptimizedModelFilePath, options, scope.FilePath(path));
        if (ProfilePrefix is { } prefix)
            OrtApi.SetText(OrtFunction.EnableProfiling, options, scope.FilePath(prefix));
        foreach (var (key, value) in ConfigEntries)
            OrtApi.SetEntry(OrtFunction.AddSessionConfigEntry, options, scope.Text(key), scope.Text(value));
        foreach (var (name, value) in FreeDimensions)
            OrtApi.AddFreeDimensionOverrideByName(options, scope.Text(name), value);
        foreach (var (name, value) in Initializers)
            OrtApi.AddInitializer(options, scope.Text(name), scope.Use(value.Handle));
        if (CopiedInitializers.Count > 0)
            OrtApi.AddExternalInitializers(options, scope.Texts([.. CopiedInitializers.Keys]), scope.Values([.. CopiedInitializers.Values]), CopiedInitializers.Count);
    }

    private static void Append(nint options, ExecutionProvider provider, CallScope scope)
    {
        var keys = scope.Texts([.. provider.Options.Keys]);
        var values = scope.Texts([.. provider.Options.Values]);
        if (provider.Name != ExecutionProvider.CudaName)
        {
            OrtApi.AppendProvider(options, scope.Text(provider.Name), keys, values, provider.Options.Count);
            return;
        }

        // The generic call does not take CUDA, which has had calls of its own from before there was a generic one.
        using var cuda = new CudaOptionsHandle(OrtApi.Create(OrtFunction.CreateCUDAProviderOptions));
        OrtApi.UpdateCudaOptions(scope.Use(cuda), keys, values, provider.Options.Count);
        OrtApi.AppendCuda(options, scope.Use(cuda));
    }
}
