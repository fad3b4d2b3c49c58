using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Tests.Reports;

public sealed class HtmlEstimateTests
{
    private static readonly JobEstimate s_estimate = new()
    {
        Seconds = 40,
        CpuSeconds = 70,
        MemoryBytes = 500L << 20,
        DiskBytes = 100L << 20,
        Phases = [new("import", 1, 1, 0), new("statistics", 9, 16, 1), new("layers", 20, 40, 1), new("result", 10, 13, 1)],
        Memory = new MemoryEstimate(1, 1, 1, ""),
        Disk = new DiskEstimate(1, 1, 1, 1, 1),
    };

    private static readonly Dictionary<string, double> s_phases = new() { ["import"] = 0.5, ["statistics"] = 12, ["layers"] = 24, ["result"] = 12.2 };

    private static JobReport Report(bool isWhole, params string[] warnings) => SampleReports.Large() with
    {
        Estimate = EstimateReport.Of(s_estimate, new Consumption(50, 80, 400L << 20, 100L << 20), s_phases, isWhole, warnings),
    };

    [Fact]
    public void Planned_and_actual_stand_side_by_side_in_table_and_chart()
    {
        var section = HtmlEstimate.Render(Report(isWhole: true))!;

        Assert.Equal(["Wall time", "Processor time", "Peak memory", "Store"], section.Descendants("tbody").Single().Elements("tr").Select(row => row.Element("th")!.Value));
        Assert.Equal(["40.0 s", "50.0 s", "0.800"], section.Descendants("tbody").Single().Elements("tr").First().Elements("td").Select(cell => cell.Value));
        Assert.Equal(8, section.Descendants("svg").Single().Elements("g").Count());
    }

    [Fact]
    public void A_resumed_run_has_no_ratio_and_says_why()
    {
        var section = HtmlEstimate.Render(Report(isWhole: false))!;

        Assert.All(section.Descendants("tbody").Single().Elements("tr"), row => Assert.Equal(Figures.None, row.Elements("td").Last().Value));
        Assert.Contains("only a part of the work", section.Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Warnings_are_on_the_page_and_without_an_estimate_there_is_no_section()
    {
        Assert.Contains("run with --slots 1", HtmlReport.Render(Report(true, "run with --slots 1"), SampleReports.Provenance), StringComparison.Ordinal);
        Assert.Null(HtmlEstimate.Render(SampleReports.Large()));
    }
}
