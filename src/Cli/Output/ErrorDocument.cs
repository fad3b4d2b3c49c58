namespace Orchestrator.Cli.Output;

/// <summary>An error as <c>--json</c> prints it.</summary>
internal sealed record ErrorDocument(ErrorBody Error);

internal sealed record ErrorBody(string Code, string Message, string Subject, string Remedy);
