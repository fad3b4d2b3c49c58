using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Running;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc fetch JOB</c>: the results of a job that has ended.</summary>
internal static class FetchVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var folder = new Option<string>("--out") { Description = "Folder of the results", HelpName = "DIR", Required = true };
        return JobVerb.Create(
            "fetch", "Get the results of a job that has ended: model, report and provenance, as run writes them, SHA-256 verified. The exit code is that of the job's status.", surroundings, json, [folder],
            ["orc fetch 3f9a --out compressed --server http://localhost:7070", "orc fetch recipe.yaml --out compressed --json"], async (call, cancellation) =>
            {
                var path = surroundings.Resolve(call.Parsed.GetRequiredValue(folder));
                Writability.Check(path, "output-not-writable", "Choose another folder with --out.");
                return await new JobFetch(call.Client, call.Job.Id, path, call.Context).RunAsync(cancellation);
            });
    }
}
