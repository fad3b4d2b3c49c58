using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Models;

/// <summary>Opens sessions for units: one intra-op thread, deterministic kernels, on the device of the job's profile.</summary>
/// <param name="provider">Null runs on the CPU.</param>
public sealed class ModelRuntime(OrtEnvironment environment, ExecutionProvider? provider = null)
{
    // By default the runtime fuses DequantizeLinear and MatMul into a kernel that rounds activations to 8 bits, which no recipe asked for.
    private const string MatMulAccuracy = "session.qdq_matmulnbits_accuracy_level";
    private const string Float32 = "1";

    private const string DisablePrepacking = "session.disable_prepacking";
    private const string WeightsFolder = "session.model_external_initializers_file_folder_path";
    private const string Root = "/";
    private const string InMemory = "mapped";

    public OrtEnvironment Environment { get; } = environment;

    /// <summary>Whether sessions read and write the memory that values lie in; on a device they work on copies.</summary>
    public bool IsOnCpu => provider is null;

    public SessionOptions Options()
    {
        // A pattern would be a second copy of all activations beside the arena of the first run, and no run is faster for it.
        var options = new SessionOptions { MemoryPattern = false };
        options.ConfigEntries[MatMulAccuracy] = Float32;
        if (provider is not null)
            options.Providers.Add(provider);
        return options;
    }

    /// <summary>Opens a model; weights that lie in files are mapped, not copied, and take no memory beyond what a run looks at.</summary>
    /// <inheritdoc cref="Open(ReadOnlySpan{byte})"/>
    public Session Open(OnnxModel model) => Open(model, Options());

    /// <exception cref="OrtException">The runtime refuses the model.</exception>
    public Session Open(ReadOnlySpan<byte> model) => Session.FromBytes(Environment, model, Options());

    /// <summary>Whether the runtime takes the model; nothing is optimized and no weight is looked at.</summary>
    /// <exception cref="OrtException">The runtime refuses the model.</exception>
    public void Check(OnnxModel model)
    {
        var options = Options();
        if (model.HasExternalData)
            options.OptimizationLevel = GraphOptimizationLevel.None;
        Open(model, options).Dispose();
    }

    private Session Open(OnnxModel model, SessionOptions options)
    {
        if (!model.HasExternalData)
            return Session.FromBytes(Environment, model.ToBytes(), options);
        // Prepacked weights would be copies in memory.
        options.ConfigEntries[DisablePrepacking] = "1";
        options.ConfigEntries[WeightsFolder] = Root;
        var large = model.Graph.Initializers.Where(tensor => tensor.Mapped is not null).ToList();
        foreach (var tensor in large)
        {
            var value = Value(tensor);
            // On another device the weights are copied anyway.
            var initializers = provider is null && tensor.Mapped!.Place is not null ? options.Initializers : options.CopiedInitializers;
            initializers[tensor.Name] = value;
        }

        options.Attached.Add(new PageTrimmer(large.Select(tensor => tensor.Mapped!)));
        return Session.FromBytes(Environment, model.ToBytes(Place), options);
    }

    /// <summary>Where the runtime finds the weight should one of its optimizations look at it.</summary>
    private static ExternalPlace? Place(Tensor tensor) =>
        tensor.Mapped is not { } mapped ? null : mapped.Place is { } place ? place with { Location = place.Location[Root.Length..] } : new ExternalPlace(InMemory, 0);

    private static unsafe OrtValue Value(Tensor tensor)
    {
        var mapped = tensor.Mapped!;
        using var pin = mapped.Pin();
        return OrtValue.FromPointer((nint)pin.Pointer, mapped.Length, (OnnxRuntime.ElementType)(int)tensor.ElementType, [.. tensor.Shape], mapped);
    }
}
