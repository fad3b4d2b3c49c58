using System.Globalization;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Cluster;

/// <summary>Jobs as people read them.</summary>
internal static class JobLines
{
    private const int NameLength = 32;

    public static void PrintTable(IAnsiConsole console, IReadOnlyList<JobView> jobs)
    {
        if (jobs.Count == 0)
        {
            console.WriteLine("No jobs.");
            return;
        }

        var table = new Table().Border(TableBorder.Simple)
            .AddColumn("job").AddColumn("name").AddColumn("state").AddColumn(new TableColumn("done").RightAligned()).AddColumn(new TableColumn("units").RightAligned())
            .AddColumn(new TableColumn("left").RightAligned()).AddColumn("submitted");
        foreach (var job in jobs)
        {
            table.AddRow(
                new Text(job.Id), new Text(Figures.Shorten(job.Name, NameLength)), new Text(State(job), ColorOf(job)), new Text(job.UnitsTotal > 0 ? Figures.Percent(job.Progress) : Figures.None),
                new Text(job.UnitsTotal > 0 ? $"{job.UnitsDone}/{job.UnitsTotal}" : Figures.None), new Text(job is { State: JobState.Running, SecondsLeft: { } left } ? Figures.Duration(left) : Figures.None), new Text(Time(job.Submitted)));
        }

        console.Write(table);
    }

    /// <summary>A job in some lines.</summary>
    public static void Print(IAnsiConsole console, JobView job)
    {
        console.MarkupLineInterpolated($"job      {job.Id} ({job.Name})");
        var left = job is { State: JobState.Running, SecondsLeft: { } seconds } ? $", about {Figures.Duration(seconds)} left" : "";
        var phase = job is { State: JobState.Running, Phase: { } word } ? $", {word}" : "";
        console.Write(new Text("state    "));
        console.Write(new Text(State(job), ColorOf(job)));
        console.WriteLine($"{phase}{left}");
        if (job.Reason is { } reason)
            console.MarkupLineInterpolated($"reason   {reason}");
        var reused = job.UnitsReused > 0 ? $", {job.UnitsReused} of them reused" : "";
        var share = job.State == JobState.Ended ? "" : $" ({Figures.Percent(job.Progress)} of the work)";
        if (job.UnitsTotal > 0)
            console.MarkupLineInterpolated($"units    {job.UnitsDone} of {job.UnitsTotal}{reused}{share}");
        console.MarkupLineInterpolated($"time     submitted {Time(job.Submitted)}{(job.Ended is { } ended ? $", ended {Time(ended)}" : "")}");
    }

    /// <summary>State in one word; of an ended job its status.</summary>
    public static string State(JobView job) => job.State != JobState.Ended ? job.State.ToString().ToLowerInvariant() : job.Status switch
    {
        null => "ended",
        JobStatus.GoalMissed => "goal missed",
        { } status => status.ToString().ToLowerInvariant(),
    };

    public static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static Style ColorOf(JobView job) => new(job switch
    {
        { Status: JobStatus.Succeeded } => Color.Green,
        { Status: JobStatus.Failed } => Color.Red,
        { State: JobState.Ended or JobState.Paused } => Color.Yellow,
        _ => Color.Default,
    });
}
