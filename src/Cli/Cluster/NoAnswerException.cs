using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>One server did not answer, or not as the active one: another may, or the same one later.</summary>
/// <param name="message">Why, in words.</param>
/// <param name="problem">What the server itself says; null where it says nothing.</param>
/// <param name="isUntouched">Certainly nothing was done of what was asked.</param>
internal sealed class NoAnswerException(string message, ProblemBody? problem, bool isUntouched, Exception? inner = null) : Exception(message, inner)
{
    public ProblemBody? Problem { get; } = problem;

    public bool IsUntouched { get; } = isUntouched;
}
