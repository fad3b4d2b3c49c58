using System.Xml.Linq;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Reports;

/// <summary>The grid of each activation that the written model quantizes.</summary>
internal static class HtmlActivations
{
    public static XElement? Render(JobReport report) => report.Activations is not { Count: > 0 } activations ? null : Markup.Section("Activations",
        Markup.Element("p", "dim", "Values that the model quantizes where they are computed: the step of their grid as it was found on calibration samples, and as it was learned."),
        Markup.Table("layers", Heads(), activations.Select(Row)));

    private static IEnumerable<XElement> Heads()
    {
        yield return Markup.Element("th", null, "Value");
        yield return Markup.Element("th", null, "Enters");
        foreach (var head in (string[])["Bits", "Found", "Learned", "Code of 0"])
            yield return Markup.Element("th", "number", head);
    }

    private static XElement Row(QuantizedActivation activation) => Markup.Element("tr", null,
        Markup.Element("th", null, activation.Value),
        Markup.Element("td", null, string.Join(", ", activation.Layers)),
        Number(Figures.Count(activation.Bits)),
        Number(Figures.Significant(activation.FirstStep)),
        Number(Figures.Significant(activation.Step)),
        Number(Figures.Count(activation.Zero)));

    private static XElement Number(string text) => Markup.Element("td", "number", text);
}
