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

    public OrtEnvironment Environment { get; } = environment;

    public SessionOptions Options()
    {
        var options = new SessionOptions();
        options.ConfigEntries[MatMulAccuracy] = Float32;
        if (provider is not null)
            options.Providers.Add(provider);
        return options;
    }

    public Session Open(OnnxModel model) => Open(model.ToBytes());

    /// <exception cref="OrtException">The runtime refuses the model.</exception>
    public Session Open(ReadOnlySpan<byte> model) => Session.FromBytes(Environment, model, Options());
}
