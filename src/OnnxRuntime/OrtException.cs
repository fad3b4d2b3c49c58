namespace Orchestrator.OnnxRuntime;

/// <summary>The codes of ONNX Runtime's status objects.</summary>
public enum OrtErrorCode
{
    Ok = 0,
    Fail = 1,
    InvalidArgument = 2,
    NoSuchFile = 3,
    NoModel = 4,
    EngineError = 5,
    RuntimeException = 6,
    InvalidProtobuf = 7,
    ModelLoaded = 8,
    NotImplemented = 9,
    InvalidGraph = 10,
    ExecutionProviderFail = 11,
    ModelLoadCanceled = 12,
    ModelRequiresCompilation = 13,
    NotFound = 14,
}

/// <summary>A call into ONNX Runtime failed; the message is the runtime's own.</summary>
public sealed class OrtException(OrtErrorCode code, string message, Exception? inner = null) : Exception(message, inner)
{
    public OrtErrorCode Code { get; } = code;
}
