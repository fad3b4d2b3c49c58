namespace Orchestrator.Onnx;

/// <summary>A model, or what was asked of it, is wrong. Names the node, tensor or file it is about.</summary>
public sealed class OnnxException(string subject, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>The node, tensor or file.</summary>
    public string Subject { get; } = subject;
}
