using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Output;
using Orchestrator.Jobs;
using Orchestrator.Onnx;

namespace Orchestrator.Cli.Verbs;

/// <summary>A verb of the command line: its examples, and one place where exceptions become exit codes.</summary>
internal sealed class VerbCommand(string name, string description, params IReadOnlyList<string> examples) : Command(name, description)
{
    public IReadOnlyList<string> Examples { get; } = examples;

    public void Handle(Surroundings surroundings, Option<bool> json, Func<ParseResult, VerbContext, CancellationToken, Task<int>> run) =>
        SetAction((parsed, cancellation) => RunGuarded(new VerbContext(surroundings, parsed.GetValue(json)), context => run(parsed, context, cancellation)));

    private static async Task<int> RunGuarded(VerbContext context, Func<VerbContext, Task<int>> run)
    {
        try
        {
            return await run(context);
        }
        catch (InputException wrong)
        {
            context.WriteError(new ErrorBody(wrong.Code, wrong.Message, wrong.Subject, wrong.Remedy));
            return ExitCodes.WrongInput;
        }
        catch (OnnxException wrong)
        {
            context.WriteError(new ErrorBody("model-invalid", wrong.Message, wrong.Subject, wrong.Remedy ?? "Export the model again."));
            return ExitCodes.WrongInput;
        }
        catch (ServerFaultException fault)
        {
            context.WriteError(new ErrorBody(fault.Code, fault.Message, fault.Subject, fault.Remedy));
            return ExitCodes.Failed;
        }
        catch (OperationCanceledException) when (context.Surroundings.Interruption.IsCancellationRequested)
        {
            context.WriteError(new ErrorBody("interrupted", "stopped before it was done", "orc", "Run the same command again."));
            return ExitCodes.Interrupted;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            context.WriteError(new ErrorBody("io-failed", failure.Message, "file system", "Check space and permissions, then run the same command again."));
            return ExitCodes.Failed;
        }
#pragma warning disable CA1031 // The last line of defence: a program must end with a message, whatever went wrong.
        catch (Exception failure)
#pragma warning restore CA1031
        {
            context.WriteError(new ErrorBody("internal-error", $"{failure.GetType().Name}: {failure.Message}", "orc", "This is a fault of orc; please report it with the lines below."));
            await context.Surroundings.Terminal.Error.WriteLineAsync(failure.ToString());
            return ExitCodes.Failed;
        }
    }
}
