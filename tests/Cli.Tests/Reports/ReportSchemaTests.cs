using Orchestrator.Cli.Output;

namespace Orchestrator.Cli.Tests.Reports;

/// <summary>The report as programs read it. A member may be added; one that goes or changes its meaning raises the schema version.</summary>
public sealed class ReportSchemaTests
{
    [Fact]
    public void The_report_is_written_as_it_always_was() => GoldenFile.Matches("report.json.txt", JsonOutput.ToText(SampleReports.Large()));

    [Fact]
    public void A_report_without_a_model_is_too() => GoldenFile.Matches("report.empty.json.txt", JsonOutput.ToText(SampleReports.Empty()));
}
