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
    /// <summary>What the runtime's allocators, the C++ library, CUDA and WebGPU say where there is no memory left: the runtime has no code of its own for it.</summary>
    private static readonly string[] s_outOfMemory =
    [
        "Failed to allocate memory", "std::bad_alloc", "bad allocation", "out of memory", "out_of_memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "Available memory of",
    ];

    public OrtErrorCode Code { get; } = code;

    /// <summary>The machine or the device had no memory for it: what failed may work where there is more of it.</summary>
    public bool IsOutOfMemory { get; } = s_outOfMemory.Any(sign => message.Contains(sign, StringComparison.OrdinalIgnoreCase));
}
