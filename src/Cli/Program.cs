using Orchestrator.Cli;
using Orchestrator.Cli.Output;

using var interruption = new Interruption(Console.Error);
return await OrcCommand.InvokeAsync(args, new Surroundings
{
    Terminal = new Terminal
    {
        Output = Console.Out,
        Error = Console.Error,
        OutputIsInteractive = !Console.IsOutputRedirected,
        ErrorIsInteractive = !Console.IsErrorRedirected,
        Colors = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")),
    },
    Clock = TimeProvider.System,
    WorkingFolder = Environment.CurrentDirectory,
    Interruption = interruption.Token,
    Cores = Environment.ProcessorCount,
});
