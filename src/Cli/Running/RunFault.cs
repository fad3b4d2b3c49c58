using Orchestrator.Cli.Output;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs;
using Orchestrator.Onnx;
using Spectre.Console;

namespace Orchestrator.Cli.Running;

/// <summary>What ended a run and no retry cured: a store or a disk that fails, or a mistake of ours. It never ends a run without a report.</summary>
internal sealed class RunFault(Exception cause)
{
    private const string Kept = "Everything committed is kept: run the same command again to resume";

    /// <summary>Cause and remedy, for the report.</summary>
    public string Reason => IsStorage(cause)
        ? IsTold ? cause.Message : $"{cause.Message.TrimEnd('.')}. {Kept}, once the disk or the store is well again."
        : $"The coordinator failed with {cause.GetType().Name}: {cause.Message.TrimEnd('.')}. This is a fault of orc; please report it with the lines on standard error. {Kept}.";

    /// <summary>A store's own failures name path, cause and remedy already.</summary>
    private bool IsTold => cause is Checkpoints.Blobs.StoreException;

    /// <summary>Not what the user has to change, which ends with exit code 2, and not what the user stopped.</summary>
    public static bool Is(Exception cause, bool interrupted) =>
        cause is not (InputException or OnnxException) && !(interrupted && cause is OperationCanceledException);

    public static bool IsStorage(Exception cause) => cause is IOException or UnauthorizedAccessException;

    /// <summary>To standard error, with the lines that a report of the fault needs.</summary>
    public void Tell(VerbContext context)
    {
        context.TellError(new ErrorBody(IsStorage(cause) ? "io-failed" : "internal-error", Reason, "orc run", ""));
        if (!IsStorage(cause))
            context.Surroundings.Terminal.Error.WriteLine(cause.ToString());
    }
}
