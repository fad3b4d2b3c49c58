using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Reports;
using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc describe JOB</c>: all about a job that fits on a screen.</summary>
internal static class DescribeVerb
{
    private const int NameLength = 44;

    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.Create(
        "describe", "Show a job: how far it is, the units under way and where, and what happened to it.", surroundings, json, [],
        ["orc describe 3f9a --server http://localhost:7070", "orc describe recipe.yaml --json"], async (call, cancellation) =>
        {
            var description = await call.Client.DescribeAsync(call.Job.Id, cancellation);
            call.Context.WriteResult(description);
            Print(call.Context.People, description);
            return ExitCodes.Success;
        });

    private static void Print(IAnsiConsole console, JobDescription description)
    {
        JobLines.Print(console, description.Job);
        if (description.Why is { } why)
        {
            console.MarkupLineInterpolated($"why      {why.Code}: {why.Message}");
            console.MarkupLineInterpolated($"next     {why.NextStep}");
        }

        console.MarkupLineInterpolated($"model    {description.Model}");
        console.MarkupLineInterpolated($"profile  {description.Profile}");
        if (description.Layers.Count > 0)
            console.MarkupLineInterpolated($"layers   {string.Join(", ", description.Layers)}");
        if (description.Leases.Count > 0)
        {
            var table = new Table().Border(TableBorder.Simple).AddColumn("unit").AddColumn("worker").AddColumn("attempt")
                .AddColumn(new TableColumn("done").RightAligned()).AddColumn(new TableColumn("for").RightAligned());
            foreach (var lease in description.Leases)
                table.AddRow(new Text(Figures.Shorten(lease.Unit, NameLength)), new Text(lease.Worker), new Text(lease.Attempt), new Text(Figures.Percent(lease.Fraction)), new Text(Figures.Duration(lease.Seconds)));
            console.Write(table);
        }

        foreach (var line in description.Incidents)
            LogLines.Print(console, line);
    }
}
