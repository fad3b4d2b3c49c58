using Orchestrator.Cli.Output;
using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>Looks on while a job runs.</summary>
internal static class JobWatching
{
    /// <returns>The job's end; null where the user stopped looking, which has been told.</returns>
    public static async Task<JobView?> RunAsync(ServerClient client, string id, VerbContext context, CancellationToken cancellationToken)
    {
        try
        {
            return await context.Progress().ShowAsync(async sink =>
            {
                client.Connection.Tell = sink.Note;
                JobView? last = null;
                double? before = null;
                await foreach (var view in client.WatchAsync(id, cancellationToken))
                {
                    // What was done before we looked took none of the time that we see.
                    before ??= view.Progress;
                    sink.Update(Snapshot(view, Math.Min(before.Value, view.Progress)));
                    last = view;
                }

                return last;
            });
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            TellLeft(id, context);
            return null;
        }
        finally
        {
            client.Connection.Tell = context.TellWaiting;
        }
    }

    /// <summary>Says that a job goes on though nobody looks on any more.</summary>
    public static void TellLeft(string id, VerbContext context) => context.WriteError(new ErrorBody(
        "interrupted", "the job goes on without being watched", id, $"`orc watch {id}` looks on again, `orc cancel {id}` ends it."));

    public static int ExitCodeOf(JobStatus? status) => status switch
    {
        JobStatus.Succeeded => ExitCodes.Success,
        JobStatus.GoalMissed => ExitCodes.GoalMissed,
        _ => ExitCodes.Failed,
    };

    private static ProgressSnapshot Snapshot(JobView view, double before) => new(
        view is { State: JobState.Running, Phase: { } phase } ? phase : JobLines.State(view), view.UnitsDone, view.UnitsTotal, view.UnitsReused, view.Progress, before, 1, null)
    {
        SecondsLeft = view.State == JobState.Running ? view.SecondsLeft : null,
    };
}
