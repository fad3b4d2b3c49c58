using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Output;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc logs JOB</c>: what happened to a job, the oldest first.</summary>
internal static class LogsVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on until the job ends" };
        return JobVerb.Create(
            "logs", "Print what happened to a job, the oldest first: retries, rescues, damaged blobs, take-overs. With --json an object a line.", surroundings, json, [follow],
            ["orc logs 3f9a --server http://localhost:7070", "orc logs recipe.yaml -f --json"], async (call, cancellation) =>
            {
                try
                {
                    await foreach (var line in call.Client.LogAsync(call.Job.Id, call.Parsed.GetValue(follow), cancellation))
                    {
                        if (call.Context.Json)
                            await call.Context.Surroundings.Terminal.Output.WriteLineAsync(JsonOutput.ToLine(line).AsMemory(), cancellation);
                        else
                            LogLines.Print(call.Context.People, line);
                    }

                    return ExitCodes.Success;
                }
                catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
                {
                    JobWatching.TellLeft(call.Job.Id, call.Context);
                    return ExitCodes.Interrupted;
                }
            });
    }
}
