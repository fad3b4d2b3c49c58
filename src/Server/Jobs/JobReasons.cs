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

    /// <summary>For so long a worker that was refused is held to be why none is there.</summary>
    private static readonly TimeSpan s_recently = TimeSpan.FromMinutes(10);

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

        if (server.Session is not { Coordinator: var coordinator })
            return new JobExplanation("coordinator-restarting", "The coordinator failed and is being made anew.", Nothing, []);
        var troubles = (await coordinator.Model(entry.Tenant, entry.Id).DescribeAsync(MostUnits, cancellationToken))?.Troubles ?? [];
        var standing = await coordinator.Scheduler.DescribeAsync(new ScheduleQuestion(entry.Tenant, entry.Id, MostUnits), cancellationToken);
        var (code, message, next) = Running(standing, troubles);
        var failed = troubles.ToDictionary(t => t.Unit, StringComparer.Ordinal);
        var units = troubles.Where(t => t.Code is not "retrying").Select(Explain)
            .Concat(standing.Units.Select(unit => Explain(unit, failed.GetValueOrDefault(unit.Unit))));
        return new JobExplanation(code, message, next, [.. units.Take(MostUnits)]);
    }

    private (string Code, string Message, string NextStep) Running(ScheduleStanding standing, IReadOnlyList<UnitTrouble> troubles)
    {
        var failed = troubles.FirstOrDefault(t => t.Code == "resting") ?? (troubles.Count > 0 ? troubles[0] : null);
        if (standing.Leased > 0)
            return ("running", $"{standing.Leased} of its units are under way, {standing.Waiting} wait for a worker.{(failed is null ? "" : $" Failed before: {Words(failed)}")}", NextOf(failed));
        if (standing.Waiting == 0)
            return Idle(troubles);
        var wait = standing.Units.Select(u => u.Wait).FirstOrDefault(w => w is not null);
        var alive = server.Workers.List().Count(w => w.IsAvailable);
        return (alive == 0 ? "no-worker" : wait?.Code) switch
        {
            "no-worker" => NoWorker(standing.Waiting),
            "no-matching-worker" => ("no-matching-worker", $"{standing.Waiting} units wait: {wait!.Message}",
                "Start a worker on such a machine, or submit the job again with --profile of one that is there."),
            _ when failed is not null => ("retrying", $"{standing.Waiting} units wait. The last that failed: {Words(failed)}", NextOf(failed)),
            _ => ("workers-busy", $"{standing.Waiting} units wait: the {alive} workers are busy with other units.", "Nothing is needed; more workers make it faster."),
        };
    }

    private (string Code, string Message, string NextStep) NoWorker(int waiting)
    {
        var refused = server.Workers.Refused is { } ago && ago < s_recently;
        return ("no-worker", $"{waiting} units wait, and no worker is there.{(refused ? " A worker came whose key is not one of a worker: it was refused." : "")}",
            refused ? "Give the worker the key of a worker with --key-file; `orc serve --new-key worker:NAME` makes one, and the server reads --keys when it starts." : "Start workers: `orc worker --server URL`.");
    }

    private static (string Code, string Message, string NextStep) Idle(IReadOnlyList<UnitTrouble> troubles)
    {
        var resting = troubles.Where(t => t.Code == "resting").ToArray();
        if (resting.Length > 0)
            return ("resting", $"{resting.Length} units that failed rest before they are tried again: {Words(resting[0])}", NextOf(resting[0]));
        if (troubles.FirstOrDefault(t => t.Code == "quarantined") is { } given)
            return ("quarantined", $"'{given.Unit}' was given up after {given.Attempts} attempts: {given.Message}", "The rest of the job goes on; when it has ended, `orc retry` tries what failed again.");
        return ("coordinating", "No unit may run at the moment: the coordinator folds and writes commits.", Nothing);
    }

    private static string Words(UnitTrouble trouble) => $"'{trouble.Unit}' ({trouble.Failure}) {trouble.Message} (on {string.Join(", ", trouble.Workers.Distinct())})";

    private static string NextOf(UnitTrouble? failed) => failed?.Failure switch
    {
        "disk-full" => "Free some space on that worker's disk, or start a worker elsewhere: the units are tried again by themselves.",
        "damaged-input" => "Nothing is needed: what made the damaged blob runs again.",
        "out-of-memory" => "Nothing is needed where a larger worker is there; else start one, or give the worker fewer --slots.",
        _ => Nothing,
    };

    private static UnitExplanation Explain(UnitTrouble trouble) => new(
        trouble.Unit, trouble.Code, $"{trouble.Message} (on {string.Join(", ", trouble.Workers.Distinct())})", trouble.Attempts, trouble.Fingerprint);

    private static UnitExplanation Explain(ScheduledUnit unit, UnitTrouble? failed) => unit.Lease is { } lease
        ? new UnitExplanation(unit.Unit, "running", $"'{lease.Worker}' has been at it for {lease.Age.TotalSeconds:0} s.", failed?.Attempts ?? 0, failed?.Fingerprint)
        : new UnitExplanation(unit.Unit, unit.Wait?.Code ?? "queued", unit.Wait?.Message ?? "A worker takes it when a slot is free.", failed?.Attempts ?? 0, failed?.Fingerprint);

    private static JobExplanation Ended(JobEntry entry) => entry.Status switch
    {
        JobStatus.Succeeded => new JobExplanation("ended", "The job has succeeded.", $"Use `orc fetch {entry.Id}`.", []),
        JobStatus.Cancelled => new JobExplanation("ended", entry.Reason ?? "The job was cancelled.", $"Use `orc retry {entry.Id}` to let it go on from its commits.", []),
        var status => new JobExplanation(
            "ended", $"The job has ended ({status.ToString()!.ToLowerInvariant()}): {entry.Reason ?? "no reason is known"}", $"The best valid model can be fetched; `orc retry {entry.Id}` tries what failed again.", []),
    };
}
