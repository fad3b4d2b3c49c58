namespace Orchestrator.Onnx;

/// <summary>A model, or what was asked of it, is wrong. Names the node, tensor or file it is about.</summary>
/// <param name="remedy">What to do about it; null where the cause says it.</param>
public sealed class OnnxException(string subject, string message, string? remedy, Exception? inner = null) : Exception(message, inner)
{
    public OnnxException(string subject, string message, Exception? inner = null)
        : this(subject, message, null, inner)
    {
    }

    /// <summary>The node, tensor or file.</summary>
    public string Subject { get; } = subject;

    /// <summary>What to do about it; null where the cause says it.</summary>
    public string? Remedy { get; } = remedy;
}
