using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Reports;
using Spectre.Console;

namespace Orchestrator.Cli.Running;

/// <summary>What people read at the end of <c>orc run</c>.</summary>
internal static class RunSummary
{
    private const int NameLength = 44;

    public static void Print(IAnsiConsole console, JobReport report, ResultFiles files)
    {
        console.Write(LayerTable(report));
        foreach (var (reason, layers) in Remarks(report))
            console.MarkupLineInterpolated($"[yellow]left out[/] {layers}: {reason}");
        foreach (var rescue in report.Rescues)
            console.MarkupLineInterpolated($"[yellow]{rescue.Kind}[/] {rescue.Layer ?? "whole model"}: {rescue.Detail}");
        console.WriteLine();
        PrintStatus(console, report);
        PrintFigures(console, report);
        if (report.Estimate is { } estimate)
            PrintEstimate(console, estimate);
        if (report.ModelSha256 is not null)
            console.MarkupLineInterpolated($"  model    {files.Model}");
        console.MarkupLineInterpolated($"  report   {files.Page}");
    }

    /// <summary>Steps that do not apply to a layer, layers with the same reason together.</summary>
    private static IEnumerable<(string Reason, string Layers)> Remarks(JobReport report) => report.Layers
        .Where(layer => layer is { Status: "compressed", Reason: not null })
        .GroupBy(layer => layer.Reason!, layer => layer.Name)
        .Select(group => (group.Key, group.Count() == 1 ? group.First() : $"{group.Count()} layers"));

    private static void PrintStatus(IAnsiConsole console, JobReport report)
    {
        var units = $"{report.Units.Total} units in {Figures.Duration(report.Seconds)}" + (report.Units.Reused > 0 ? $", {report.Units.Reused} of them reused" : "");
        switch (report.Status)
        {
            case ReportStatus.Succeeded:
                console.MarkupLineInterpolated($"[green]Succeeded[/]: {units}");
                break;
            case ReportStatus.GoalMissed:
                console.MarkupLineInterpolated($"[yellow]Goal missed[/]: {report.Reason}; {units}");
                break;
            case ReportStatus.Cancelled:
                console.MarkupLineInterpolated($"[yellow]Cancelled[/]: {report.Reason}; {units}");
                break;
            default:
                console.MarkupLineInterpolated($"[red]Failed[/]: {report.Reason}; {units}");
                break;
        }
    }

    private static void PrintFigures(IAnsiConsole console, JobReport report)
    {
        var name = report.Compressed.Name ?? report.Baseline.Name;
        if (report.Compressed.Metric is { } after && report.Baseline.Metric is { } before)
            console.MarkupLineInterpolated($"  {name,-8} {Figures.Metric(before, name)} → {Figures.Metric(after, name)} ({Figures.Change(before, after, name)})");
        if (report.Size is { Before: > 0 and var large, After: > 0 and var small })
            console.MarkupLineInterpolated($"  size     {Figures.Bytes(large)} → {Figures.Bytes(small)} ({Figures.Significant((double)large / small)} times smaller)");
        if (report.Latency is { Before: { } slow, After: { } fast })
            console.MarkupLineInterpolated($"  latency  {Figures.Milliseconds(slow)} → {Figures.Milliseconds(fast)}");
    }

    private static void PrintEstimate(IAnsiConsole console, EstimateReport estimate)
    {
        var (planned, actual) = (estimate.Planned, estimate.Actual);
        var beside = estimate.Note is null ? "" : " (a part of the work was done before)";
        console.MarkupLineInterpolated(
            $"  planned  {Figures.Duration(planned.Seconds)}, {Figures.Bytes(planned.MemoryBytes)} memory, {Disk(planned)}");
        console.MarkupLineInterpolated(
            $"  actual   {Figures.Duration(actual.Seconds)}, {Figures.Bytes(actual.MemoryBytes)} memory, {Disk(actual)}{beside}");
    }

    private static string Disk(Consumption consumption) => consumption.DiskBytes is { } bytes ? $"{Figures.Bytes(bytes)} disk" : "disk unknown";

    private static Table LayerTable(JobReport report)
    {
        var table = new Table().Border(TableBorder.Simple)
            .AddColumn("layer").AddColumn("method")
            .AddColumn(Right("shape")).AddColumn(Right("bits")).AddColumn(Right("zeros")).AddColumn(Right("loss")).AddColumn(Right("relative"));
        foreach (var layer in report.Layers)
        {
            var method = layer.Method ?? (layer.Reason is { } reason ? $"{layer.Status}: {reason}" : layer.Status);
            table.AddRow(
                new Text(Figures.Shorten(layer.Name, NameLength)), new Text(method), new Text($"{layer.Rows} × {layer.Columns}"), new Text(Figures.Bits(layer.Bits)),
                new Text(Figures.Percent(layer.Sparsity)), new Text(Figures.Significant(layer.Loss)), new Text(Figures.Significant(layer.RelativeLoss)));
        }

        return table;
    }

    private static TableColumn Right(string head) => new TableColumn(head).RightAligned();
}
