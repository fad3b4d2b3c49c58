using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Models;

/// <summary>Opens sessions for units: one intra-op thread, deterministic kernels, on the device of the job's profile.</summary>
/// <param name="provider">Null runs on the CPU.</param>
public sealed class ModelRuntime(OrtEnvironment environment, ExecutionProvider? provider = null)
{
    public OrtEnvironment Environment { get; } = environment;

    public SessionOptions Options()
    {
        var options = new SessionOptions();
        if (provider is not null)
            options.Providers.Add(provider);
        return options;
    }

    public Session Open(OnnxModel model) => Open(model.ToBytes());

    /// <exception cref="OrtException">The runtime refuses the model.</exception>
    public Session Open(ReadOnlySpan<byte> model) => Session.FromBytes(Environment, model, Options());
}
