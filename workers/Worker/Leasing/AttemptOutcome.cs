using Orchestrator.Checkpoints;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Caching;

namespace Orchestrator.Worker.Leasing;

/// <summary>Exceptions of an attempt as outcomes: the one place where they are classed.</summary>
internal static class AttemptOutcome
{
    public const string OutOfMemory = "out-of-memory";

    /// <summary>No room on a disk of the worker, or on the store's.</summary>
    public const string DiskFull = "disk-full";

    public static bool IsOutOfMemory(Outcome outcome) => outcome.Failure?.Code == OutOfMemory;

    public static bool IsDiskFull(Outcome outcome) => outcome.Failure?.Code == DiskFull;

    public static Outcome FromException(Exception cause) => cause switch
    {
        DamagedBlobException e => Outcome.SystemFailed(new Failure("damaged-input", e.Message, Retryable: true) { Damaged = e.Blob }),
        // The same unit has the same input everywhere.
        InputException e => Outcome.WorkloadFailed(new Failure(e.Code, $"{e.Subject}: {e.Message} {e.Remedy}", Retryable: false)),
        OutOfMemoryException or OrtException { IsOutOfMemory: true } => Outcome.SystemFailed(new Failure(OutOfMemory, cause.Message, Retryable: true)),
        IOException when DiskFullException.Is(cause) => Outcome.SystemFailed(new Failure(DiskFull, cause.Message, Retryable: true)),
        IOException or UnauthorizedAccessException => Outcome.SystemFailed(new Failure("store-failed", cause.Message, Retryable: true)),
        _ => Outcome.WorkloadFailed(new Failure(Code(cause), cause.Message, Retryable: true)),
    };

    /// <summary>An exception's type as a code: <c>OnnxRuntimeException</c> becomes <c>onnx-runtime</c>.</summary>
    private static string Code(Exception cause)
    {
        const string Suffix = "Exception";
        var name = cause.GetType().Name;
        if (name.EndsWith(Suffix, StringComparison.Ordinal) && name.Length > Suffix.Length)
            name = name[..^Suffix.Length];
        return string.Concat(name.Select((c, i) => char.IsAsciiLetterUpper(c) ? (i == 0 ? "" : "-") + char.ToLowerInvariant(c) : c.ToString()));
    }
}
