using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary>Every layer with its numbers.</summary>
internal static class HtmlLayerTable
{
    public static XElement? Render(JobReport report)
    {
        if (report.Layers.Count == 0)
            return null;
        var compared = report.Layers.Any(layer => layer.OutputError is not null);
        return Markup.Section("Layers", Markup.Table("layers", Heads(compared), report.Layers.Select(layer => Row(layer, compared))));
    }

    private static IEnumerable<XElement> Heads(bool compared)
    {
        yield return Markup.Element("th", null, "Layer");
        yield return Markup.Element("th", null, "Method");
        string[] numbers = ["Shape", "Bits", "Zeros", "Loss", "Relative"];
        foreach (var head in compared ? [.. numbers, "Output error", "Cosine", "Time"] : (string[])[.. numbers, "Time"])
            yield return Markup.Element("th", "number", head);
    }

    private static XElement Row(LayerReport layer, bool compared)
    {
        List<object?> cells =
        [
            Markup.Element("th", null, layer.Name, Markup.Element("span", "dim", $"{layer.OpType} · {layer.Block}")),
            Markup.Element("td", null, Method(layer)),
            Number($"{layer.Rows} × {layer.Columns}"),
            Number(Figures.Bits(layer.Bits)),
            Number(Figures.Percent(layer.Sparsity)),
            Number(Figures.Significant(layer.Loss)),
            Number(Figures.Significant(layer.RelativeLoss)),
        ];
        if (compared)
        {
            cells.Add(Number(Figures.Significant(layer.OutputError)));
            cells.Add(Number(layer.OutputCosine is { } cosine ? cosine.ToString("0.0000") : Figures.None));
        }

        cells.Add(Number(layer.Seconds > 0 ? Figures.Duration(layer.Seconds) : Figures.None));
        return Markup.Element("tr", layer.Status == "compressed" ? null : "idle", [.. cells]);
    }

    private static object Method(LayerReport layer) => layer.Method is { } method
        ? method.Replace("+", " + ")
        : Markup.Element("span", "badge warn", layer.Status);

    private static XElement Number(string text) => Markup.Element("td", "number", text);
}
