using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>Why a job is where it is: one stable word, a sentence, and what to do.</summary>
internal sealed class JobReasons(ActiveServer server)
{
    private const int MostUnits = 100;
    private const string Nothing = "Nothing is needed.";

    public async Task<JobExplanation> ExplainAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        switch (entry.State)
        {
            case JobState.Ended:
                return Ended(entry);
            case JobState.Paused:
                return new JobExplanation("paused", "The job was paused by the user.", $"Use `orc resume {entry.Id}`.", []);
            case JobState.Queued when entry.Trouble is { } trouble:
                return new JobExplanation(trouble.Code, trouble.Message, trouble.NextStep, []);
            case JobState.Queued:
                return new JobExplanation("starting", "The job waits to be started: its commits are folded first.", Nothing, []);
        }

        var standing = await server.Scheduler.DescribeAsync(new ScheduleQuestion(entry.Tenant, entry.Id, MostUnits), cancellationToken);
        var (code, message, next) = Running(standing);
        return new JobExplanation(code, message, next, [.. standing.Units.Select(unit => Explain(unit, code, message))]);
    }

    private (string Code, string Message, string NextStep) Running(ScheduleStanding standing)
    {
        if (standing.Leased > 0)
            return ("running", $"{standing.Leased} of its units are under way, {standing.Waiting} wait for a worker.", Nothing);
        if (standing.Waiting == 0)
            return ("resting", "No unit may run at the moment: the coordinator folds commits, or units that failed rest before they are tried again.", Nothing);
        var available = server.Workers.List().Where(w => w.IsAvailable).ToArray();
        if (available.Length == 0)
            return ("no-worker", $"{standing.Waiting} units wait, and no worker is there.", "Start workers: `orc worker --server URL`.");
        string[] profiles = [.. standing.Units.Where(u => u.Lease is null).Select(u => u.Profile).Distinct()];
        if (!available.Any(w => w.Registration.Profiles.Intersect(profiles).Any()))
            return ("no-matching-worker", $"{standing.Waiting} units wait for a worker with the numeric profile {string.Join(" or ", profiles.Select(p => $"'{p}'"))}; none of the {available.Length} workers has it.",
                "Start a worker on such a machine, or submit the job again with --profile of one that is there.");
        return ("workers-busy", $"{standing.Waiting} units wait: the workers that may run them are busy with other units.", "Nothing is needed; more workers make it faster.");
    }

    private static UnitExplanation Explain(ScheduledUnit unit, string code, string message) => unit.Lease is { } lease
        ? new UnitExplanation(unit.Unit, "running", $"'{lease.Worker}' has been at it for {lease.Age.TotalSeconds:0} s.", 0, null)
        : new UnitExplanation(unit.Unit, code == "running" ? "workers-busy" : code, code == "running" ? "Waits for a free slot." : message, 0, null);

    private static JobExplanation Ended(JobEntry entry) => entry.Status switch
    {
        JobStatus.Succeeded => new JobExplanation("ended", "The job has succeeded.", $"Use `orc fetch {entry.Id}`.", []),
        JobStatus.Cancelled => new JobExplanation("ended", entry.Reason ?? "The job was cancelled.", $"Use `orc retry {entry.Id}` to let it go on from its commits.", []),
        var status => new JobExplanation(
            "ended", $"The job has ended ({status.ToString()!.ToLowerInvariant()}): {entry.Reason ?? "no reason is known"}", $"The best valid model can be fetched; `orc retry {entry.Id}` tries what failed again.", []),
    };
}
