using Spectre.Console;

namespace Orchestrator.Cli.Output;

/// <summary>Standard output and error, and whether a person looks at them.</summary>
internal sealed class Terminal
{
    /// <summary>Lines of a file or pipe must not be wrapped; a program or an editor reads them.</summary>
    private const int UnwrappedWidth = 4096;

    public required TextWriter Output { get; init; }
    public required TextWriter Error { get; init; }
    public bool OutputIsInteractive { get; init; }
    public bool ErrorIsInteractive { get; init; }

    /// <summary>False under NO_COLOR.</summary>
    public bool Colors { get; init; }

    /// <summary>The console for people: standard output, or standard error where JSON has the output.</summary>
    public IAnsiConsole ForPeople(bool json) => json ? Create(Error, ErrorIsInteractive) : Create(Output, OutputIsInteractive);

    public IAnsiConsole ForErrors() => Create(Error, ErrorIsInteractive);

    private IAnsiConsole Create(TextWriter writer, bool interactive)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Out = new AnsiConsoleOutput(writer),
            Ansi = interactive ? AnsiSupport.Detect : AnsiSupport.No,
            ColorSystem = interactive && Colors ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Interactive = interactive ? InteractionSupport.Detect : InteractionSupport.No,
        });
        if (!interactive)
            console.Profile.Width = UnwrappedWidth;
        return console;
    }
}
