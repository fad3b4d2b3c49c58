using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.Reflection;
using Orchestrator.Cli.Output;
using Orchestrator.Cli.Verbs;

namespace Orchestrator.Cli;

/// <summary>The whole command line, from arguments to exit code.</summary>
internal static class OrcCommand
{
    private const int HelpWidth = 110;

    /// <summary>Version of the product, without the build's commit.</summary>
    public static string Version { get; } =
        typeof(OrcCommand).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "0";

    public static async Task<int> InvokeAsync(IReadOnlyList<string> arguments, Surroundings surroundings)
    {
        var root = Create(surroundings);
        // A recipe or a layer may well be called "@something": no response files.
        var parsed = root.Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parsed.Errors.Count > 0)
            return Refuse(parsed, arguments, surroundings);

        var configuration = new InvocationConfiguration
        {
            Output = surroundings.Terminal.Output,
            Error = surroundings.Terminal.Error,
            EnableDefaultExceptionHandler = false,
            // Signals are the program's own affair: the first one stops gracefully.
            ProcessTerminationTimeout = null,
        };
        return await parsed.InvokeAsync(configuration, surroundings.Interruption);
    }

    private static RootCommand Create(Surroundings surroundings)
    {
        var json = new Option<bool>("--json") { Description = "Print the result as JSON on standard output, words for people on standard error", Recursive = true };
        var root = new RootCommand("orc compresses ONNX models after training: exact pruning and quantization, resumable at any moment.") { json };
        root.Subcommands.Add(RunVerb.Create(surroundings, json));
        root.Subcommands.Add(InspectVerb.Create(surroundings, json));
        root.Subcommands.Add(EvalVerb.Create(surroundings, json));
        root.Subcommands.Add(SolveVerb.Create(surroundings, json));
        root.Subcommands.Add(BenchVerb.Create(surroundings, json));
        root.Subcommands.Add(SimulateVerb.Create(surroundings, json));
        root.Subcommands.Add(GcVerb.Create(surroundings, json));
        root.Subcommands.Add(VerifyVerb.Create(surroundings, json));
        root.Subcommands.Add(DumpVerb.Create(surroundings, json));
        root.Subcommands.Add(ServeVerb.Create(surroundings, json));
        root.Subcommands.Add(WorkerVerb.Create(surroundings, json));
        foreach (var verb in ClientVerbs(surroundings, json))
            root.Subcommands.Add(verb);

        foreach (var option in root.Options)
        {
            if (option is HelpOption help)
                help.Action = new HelpWithExamples();
            else if (option is VersionOption version)
                version.Action = new PrintVersion();
        }

        return root;
    }

    /// <summary>What a user asks of a server.</summary>
    private static IEnumerable<Command> ClientVerbs(Surroundings surroundings, Option<bool> json) =>
    [
        SubmitVerb.Create(surroundings, json),
        ListVerb.Create(surroundings, json),
        WatchVerb.Create(surroundings, json),
        DescribeVerb.Create(surroundings, json),
        ExplainVerb.Create(surroundings, json),
        LogsVerb.Create(surroundings, json),
        PauseVerb.Create(surroundings, json),
        ResumeVerb.Create(surroundings, json),
        CancelVerb.Create(surroundings, json),
        RetryVerb.Create(surroundings, json),
        FetchVerb.Create(surroundings, json),
    ];

    /// <summary>Says what is wrong with the command line and how to see what is right.</summary>
    private static int Refuse(ParseResult parsed, IReadOnlyList<string> arguments, Surroundings surroundings)
    {
        var context = new VerbContext(surroundings, arguments.Contains("--json"));
        var command = parsed.CommandResult.Command is RootCommand ? "orc" : $"orc {parsed.CommandResult.Command.Name}";
        var message = string.Join(" ", parsed.Errors.Select(error => error.Message).Distinct());
        context.WriteError(new ErrorBody("command-line", message, command, $"See `{command} --help`."));
        return ExitCodes.WrongInput;
    }

    private sealed class HelpWithExamples : SynchronousCommandLineAction
    {
        private readonly HelpAction _help = new() { MaxWidth = HelpWidth };

        /// <summary>Who asks for help has not finished the command line yet.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            var code = _help.Invoke(parseResult);
            var examples = parseResult.CommandResult.Command is VerbCommand verb
                ? verb.Examples
                : ["orc run recipe.yaml", "orc inspect model.onnx", "orc run --help"];
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in examples)
                output.WriteLine($"  {example}");
            return code;
        }
    }

    private sealed class PrintVersion : SynchronousCommandLineAction
    {
        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine(Version);
            return ExitCodes.Success;
        }
    }
}
