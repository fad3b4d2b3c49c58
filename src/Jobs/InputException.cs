namespace Orchestrator.Jobs;

/// <summary>The user's input is wrong: exit code 2, nothing written. Carries what <c>--json</c> prints.</summary>
/// <param name="code">Stable, kebab-case, for example <c>model-not-found</c>.</param>
/// <param name="subject">The node, key or file it is about.</param>
/// <param name="message">Cause, in one sentence.</param>
/// <param name="remedy">What to do about it.</param>
public sealed class InputException(string code, string subject, string message, string remedy, Exception? inner = null) : Exception(message, inner)
{
    public string Code { get; } = code;
    public string Subject { get; } = subject;
    public string Remedy { get; } = remedy;
}
