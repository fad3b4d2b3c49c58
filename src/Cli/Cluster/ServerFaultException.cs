namespace Orchestrator.Cli.Cluster;

/// <summary>The servers could not do what was rightly asked of them: exit code 1.</summary>
/// <param name="code">Stable, kebab-case, for example <c>server-away</c>.</param>
/// <param name="subject">The servers or the job it is about.</param>
/// <param name="message">Cause.</param>
/// <param name="remedy">What to do about it.</param>
internal sealed class ServerFaultException(string code, string subject, string message, string remedy, Exception? inner = null) : Exception(message, inner)
{
    public string Code { get; } = code;
    public string Subject { get; } = subject;
    public string Remedy { get; } = remedy;
}
