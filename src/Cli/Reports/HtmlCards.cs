using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary>The summary at the top of the page.</summary>
internal static class HtmlCards
{
    public static XElement Render(JobReport report) => Markup.Element("div", "cards",
        MetricCard(report),
        SizeCard(report),
        LatencyCard(report),
        WeightsCard(report),
        Card("Time", Figures.Duration(report.Seconds), "", $"{report.Units.Total} units: {report.Units.Computed} computed, {report.Units.Reused} reused"),
        Card("Peak memory", Figures.Bytes(report.PeakMemoryBytes), "", report.Rescues.Count switch
        {
            0 => "no rescue was needed",
            1 => "1 rescue, see below",
            var count => $"{count} rescues, see below",
        }));

    private static XElement MetricCard(JobReport report)
    {
        var name = report.Compressed.Name ?? report.Baseline.Name;
        if (report.Compressed.Metric is not { } after)
            return Card(Figures.MetricTitle(name), Figures.None, "", "no evaluation data");
        if (report.Baseline.Metric is not { } before)
            return Card(Figures.MetricTitle(name), Figures.Metric(after, name), "", "");
        return Card(Figures.MetricTitle(name), Figures.Metric(after, name), $"from {Figures.Metric(before, name)}", Figures.Change(before, after, name));
    }

    private static XElement SizeCard(JobReport report) => report.Size switch
    {
        { Before: > 0 and var before, After: > 0 and var after } =>
            Card("Model size", Figures.Bytes(after), $"from {Figures.Bytes(before)}", $"{Figures.Significant((double)before / after)} times smaller"),
        var size => Card("Model size", Figures.Bytes(size.After), "", $"float model: {Figures.Bytes(size.Before)}"),
    };

    private static XElement LatencyCard(JobReport report) => report.Latency switch
    {
        { Before: { } before, After: { } after } =>
            Card("Latency of one sample", Figures.Milliseconds(after), $"from {Figures.Milliseconds(before)}", "median, one thread, this machine"),
        var latency => Card("Latency of one sample", Figures.Milliseconds(latency.After), "", "not measured"),
    };

    private static XElement WeightsCard(JobReport report)
    {
        var weights = report.Layers.Sum(layer => (double)layer.Rows * layer.Columns);
        if (weights == 0)
            return Card("Weights", Figures.None, "", "no layer");
        var zeros = report.Layers.Sum(layer => (double)layer.Rows * layer.Columns * layer.Sparsity) / weights;
        var bits = report.Layers.Sum(layer => (double)layer.Rows * layer.Columns * layer.Bits) / weights;
        return Card("Weights", $"{Figures.Bits(bits)} bit", $"{Figures.Percent(zeros)} zeros", $"mean over {Figures.Count((long)weights)} weights in {report.Layers.Count} layers");
    }

    private static XElement Card(string title, string value, string beside, string note) => Markup.Element("div", "card",
        Markup.Element("h3", null, title),
        Markup.Element("p", "figure", Markup.Element("strong", null, value), " ", Markup.Element("span", null, beside)),
        Markup.Element("p", "dim", note));
}
