using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc watch JOB</c>: looks on until the job ends.</summary>
internal static class WatchVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.Create(
        "watch", "Show a job's progress until it ends. Ctrl-C stops the watching, not the job. The exit code is that of the job's status, as with run.", surroundings, json, [],
        ["orc watch 3f9a --server http://localhost:7070", "orc watch recipe.yaml --json"], async (call, cancellation) =>
        {
            if (await JobWatching.RunAsync(call.Client, call.Job.Id, call.Context, cancellation) is not { } view)
                return ExitCodes.Interrupted;
            call.Context.WriteResult(view);
            JobLines.Print(call.Context.People, view);
            call.Context.People.WriteLine($"next     orc fetch {view.Id} --out DIR");
            return JobWatching.ExitCodeOf(view.Status);
        });
}
