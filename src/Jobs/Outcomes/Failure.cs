using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Outcomes;

/// <summary>Why an attempt did not complete.</summary>
/// <param name="Code">Stable, kebab-case, for example <c>out-of-memory</c>.</param>
/// <param name="Message">Cause, in one sentence, naming node or key.</param>
/// <param name="Retryable">False where the same unit would fail the same way anywhere.</param>
public sealed record Failure(string Code, string Message, bool Retryable)
{
    /// <summary>Code of a unit that ran out of memory; workers with more of it get it next.</summary>
    public const string OutOfMemory = "out-of-memory";

    /// <summary>The input blob that was missing or did not have its digest; its producer has to run again.</summary>
    public BlobRef? Damaged { get; init; }
}
