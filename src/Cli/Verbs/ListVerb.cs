using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc list</c>: the jobs of a server.</summary>
internal static class ListVerb
{
    private static readonly string[] s_states = [.. Enum.GetNames<JobState>().Select(name => name.ToLowerInvariant())];

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var state = new Option<string?>("--state") { Description = $"Only jobs in this state: {string.Join(", ", s_states)}", HelpName = "STATE" };
        var server = new ServerOptions();
        var verb = new VerbCommand("list", "List the jobs of a server, the newest first.", "orc list --server http://localhost:7070", "orc list --state running --json")
        {
            state,
        };
        server.AddTo(verb);
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            if (parsed.GetValue(state) is { } word)
                OptionChecks.OneOf("--state", word, s_states);
            using var client = server.Open(parsed, context);
            var jobs = (await client.JobsAsync(cancellation)).Where(job => parsed.GetValue(state) is not { } word || job.State == Enum.Parse<JobState>(word, ignoreCase: true)).ToList();
            context.WriteResult(new ListResult(jobs));
            JobLines.PrintTable(context.People, jobs);
            return ExitCodes.Success;
        });
        return verb;
    }
}

internal sealed record ListResult(IReadOnlyList<JobView> Jobs);
