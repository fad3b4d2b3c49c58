using Orchestrator.Cli.Output;
using Orchestrator.Cli.Progress;
using Orchestrator.Jobs.Estimates;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary>One call of a verb: where it runs and where its words go.</summary>
internal sealed class VerbContext(Surroundings surroundings, bool json)
{
    public Surroundings Surroundings { get; } = surroundings;

    public bool Json { get; } = json;

    /// <summary>For people: standard output, or standard error under <c>--json</c>.</summary>
    public IAnsiConsole People { get; } = surroundings.Terminal.ForPeople(json);

    /// <summary>Redrawn in place where a person looks at it, lines otherwise.</summary>
    public IProgressView Progress(JobEstimate? estimate = null) => People.Profile.Capabilities.Interactive
        ? new LiveProgress(People, Surroundings.Clock, estimate)
        : new PlainProgress(People, Surroundings.Clock, estimate);

    /// <summary>The result, to standard output, under <c>--json</c> only.</summary>
    public void WriteResult<T>(T result)
    {
        if (Json)
            Surroundings.Terminal.Output.WriteLine(JsonOutput.ToText(result));
    }

    /// <summary>Tells an error to people on standard error and, under <c>--json</c>, to programs on standard output.</summary>
    public void WriteError(ErrorBody error)
    {
        if (Json)
            Surroundings.Terminal.Output.WriteLine(JsonOutput.ToText(new ErrorDocument(error)));
        TellError(error);
    }

    /// <summary>Something that may be wrong; to standard error, since it is no part of the result.</summary>
    public void TellWarning(string text) => Surroundings.Terminal.ForErrors().MarkupLineInterpolated($"[yellow]warning[/]: {text}");

    /// <summary>Why nothing goes on at the moment; to standard error.</summary>
    public void TellWaiting(string text) => Surroundings.Terminal.ForErrors().MarkupLineInterpolated($"[grey]{text}[/]");

    /// <summary>Tells an error to people alone: programs get a result that says the same.</summary>
    public void TellError(ErrorBody error)
    {
        var console = Surroundings.Terminal.ForErrors();
        console.MarkupLineInterpolated($"[red]error[/]: {error.Subject}: {error.Message}");
        if (error.Remedy.Length > 0)
            console.MarkupLineInterpolated($"  [grey]{error.Remedy}[/]");
    }
}
