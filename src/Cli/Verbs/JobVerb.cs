using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary>What the verbs about one job of a server have in common: the job they name, and the way to the server.</summary>
internal static class JobVerb
{
    /// <param name="options">The verb's own.</param>
    /// <param name="run">Gets the job as it stands.</param>
    public static VerbCommand Create(
        string name, string description, Surroundings surroundings, Option<bool> json, IReadOnlyList<Option> options, IReadOnlyList<string> examples,
        Func<JobCall, CancellationToken, Task<int>> run)
    {
        var job = new Argument<string>("JOB") { Description = "Its id, the beginning of it, or its name, where no other job has the same" };
        var server = new ServerOptions();
        var verb = new VerbCommand(name, description, examples) { job };
        foreach (var option in options)
            verb.Options.Add(option);
        server.AddTo(verb);
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            using var client = server.Open(parsed, context);
            var found = JobLookup.Find(await client.JobsAsync(cancellation), parsed.GetRequiredValue(job));
            return await run(new JobCall(client, found, parsed, context), cancellation);
        });
        return verb;
    }

    /// <summary>A verb that asks for one thing and prints the job as it then stands.</summary>
    /// <param name="isRepeatable">Asked twice it does what it does once.</param>
    /// <param name="done">What has been done, in words.</param>
    public static VerbCommand CreateAct(string name, string description, Surroundings surroundings, Option<bool> json, bool isRepeatable, string done) =>
        Create(name, description, surroundings, json, [], [$"orc {name} 3f9a --server http://localhost:7070", $"orc {name} recipe.yaml --json"], async (call, cancellation) =>
        {
            var view = await call.Client.ActAsync(call.Job.Id, name, isRepeatable, cancellation);
            call.Context.WriteResult(view);
            call.Context.People.WriteLine(done);
            JobLines.Print(call.Context.People, view);
            return ExitCodes.Success;
        });
}

/// <summary>One call of a verb about a job.</summary>
/// <param name="Job">As it stood when it was looked up.</param>
internal sealed record JobCall(ServerClient Client, JobView Job, ParseResult Parsed, VerbContext Context);
