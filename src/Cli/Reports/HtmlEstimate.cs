using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary>What was planned and what it took.</summary>
internal static class HtmlEstimate
{
    public static XElement? Render(JobReport report) => report.Estimate is not { } estimate ? null : Markup.Section("Planned and actual",
        estimate.Note is { } note ? Markup.Element("p", "dim", $"No ratio: {note}.") : Markup.Element("p", "dim", "The estimate was made before anything was written, from the plan and this machine's measured speed."),
        Markup.Element("div", "pair", Table(estimate), Chart(estimate)),
        Markup.Element("div", null, [.. estimate.Warnings.Select(warning => Markup.Element("p", "reason warn", warning))]));

    private static XElement Table(EstimateReport estimate)
    {
        var (planned, actual, ratio) = (estimate.Planned, estimate.Actual, estimate.Ratio);
        return Markup.Table("notes", ((string[])["", "Planned", "Actual", "Planned / actual"]).Select(head => Markup.Element("th", null, head)),
        [
            Row("Wall time", Figures.Duration(planned.Seconds), Figures.Duration(actual.Seconds), ratio.Seconds),
            Row("Processor time", Figures.Duration(planned.CpuSeconds), Figures.Duration(actual.CpuSeconds), ratio.CpuSeconds),
            Row("Peak memory", Figures.Bytes(planned.MemoryBytes), Figures.Bytes(actual.MemoryBytes), ratio.MemoryBytes),
            Row("Store", Size(planned.DiskBytes), Size(actual.DiskBytes), ratio.DiskBytes),
        ]);
    }

    private static XElement Row(string what, string planned, string actual, double? ratio) => Markup.Element("tr", null,
        Markup.Element("th", null, what), Markup.Element("td", null, planned), Markup.Element("td", null, actual), Markup.Element("td", null, Figures.Significant(ratio)));

    private static string Size(long? bytes) => bytes is { } known ? Figures.Bytes(known) : "unknown";

    private static XElement Chart(EstimateReport estimate) => Markup.Element("figure", "card",
        Markup.Element("figcaption", null, Markup.Element("h3", null, "Where the time went"), Markup.Element("p", "dim", "wall time of each phase; planned in pale")),
        SvgBarChart.Draw("Where the time went",
            [.. estimate.Phases.SelectMany(phase => new[]
            {
                new Bar($"{phase.Name}, planned", $"{phase.Name}, planned", phase.Planned, Figures.Duration(phase.Planned), IsFaint: true),
                new Bar($"{phase.Name}, actual", "actual", phase.Actual, Figures.Duration(phase.Actual)),
            })]));
}
