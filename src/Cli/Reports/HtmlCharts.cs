using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary>Loss, sparsity and bits of every layer.</summary>
internal static class HtmlCharts
{
    /// <summary>Beyond this the bars say nothing any more; the table has every layer.</summary>
    private const int MostBars = 200;

    private const double FloatBits = 32;

    public static XElement? Render(JobReport report)
    {
        var layers = report.Layers.Where(layer => layer.Status != "unsupported").Take(MostBars).ToList();
        if (layers.Count == 0)
            return null;

        var bits = layers.Max(layer => layer.Bits);
        return Markup.Section("Layer by layer", Markup.Element("div", "charts",
            Chart("Relative loss", "share of the loss of an all-zero layer, logarithmic",
                [.. layers.Select(layer => new Bar(layer.Name, Label(layer), layer.RelativeLoss, Figures.Significant(layer.RelativeLoss)))], logarithmic: true),
            Chart("Sparsity", "weights that are exactly zero",
                [.. layers.Select(layer => new Bar(layer.Name, Label(layer), layer.Sparsity, Figures.Percent(layer.Sparsity)))], full: 1),
            Chart("Bits", "per weight",
                [.. layers.Select(layer => new Bar(layer.Name, Label(layer), layer.Bits, Figures.Bits(layer.Bits)))], full: bits < FloatBits ? Math.Max(8, bits) : FloatBits)));
    }

    /// <summary>Exporters end every node's name with its operator, which tells nothing apart.</summary>
    private static string Label(LayerReport layer) =>
        layer.Name.EndsWith("/" + layer.OpType, StringComparison.Ordinal) ? layer.Name[..^(layer.OpType.Length + 1)] : layer.Name;

    private static XElement Chart(string title, string unit, IReadOnlyList<Bar> bars, double? full = null, bool logarithmic = false) =>
        Markup.Element("figure", "card",
            Markup.Element("figcaption", null, Markup.Element("h3", null, title), Markup.Element("p", "dim", unit)),
            SvgBarChart.Draw(title, bars, full, logarithmic));
}
