using System.CommandLine;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Reports;
using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc explain JOB</c>: why is it where it is, and what is to be done?</summary>
internal static class ExplainVerb
{
    private const int NameLength = 44;

    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.Create(
        "explain", "Say why a job is where it is, which of its units wait or were given up and why, and what to do.", surroundings, json, [],
        ["orc explain 3f9a --server http://localhost:7070", "orc explain recipe.yaml --json"], async (call, cancellation) =>
        {
            var explanation = await call.Client.ExplainAsync(call.Job.Id, cancellation);
            call.Context.WriteResult(explanation);
            Print(call.Context.People, explanation);
            return ExitCodes.Success;
        });

    private static void Print(IAnsiConsole console, JobExplanation explanation)
    {
        console.MarkupLineInterpolated($"{explanation.Code}: {explanation.Message}");
        console.MarkupLineInterpolated($"next     {explanation.NextStep}");
        if (explanation.Units.Count == 0)
            return;
        var table = new Table().Border(TableBorder.Simple).AddColumn("unit").AddColumn("why").AddColumn(new TableColumn("failed").RightAligned()).AddColumn("fingerprint").AddColumn("");
        foreach (var unit in explanation.Units)
            table.AddRow(new Text(Figures.Shorten(unit.Unit, NameLength)), new Text(unit.Code), new Text($"{unit.Attempts}"), new Text(unit.Fingerprint ?? Figures.None), new Text(unit.Message));
        console.Write(table);
    }
}
