using System.Xml.Linq;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Reports;

/// <summary>How each group was reconstructed: its loss as it went, and what came of it.</summary>
internal static class HtmlReconstruction
{
    /// <summary>Beyond this curves say nothing any more; the table has every group.</summary>
    private const int MostCurves = 120;

    public static XElement? Render(JobReport report) => report.Reconstruction is not { Count: > 0 } groups ? null : Markup.Section("Reconstruction",
        Markup.Element("p", "dim", "The loss of each group's output while it was tuned, by decades over the steps; paler, the penalty on roundings that are not decided."),
        Markup.Element("div", "charts", [.. groups.Where(group => group.Curve.Count > 0).Take(MostCurves).Select(Chart)]),
        Markup.Table("layers", Heads(), groups.Select(Row)));

    private static XElement Chart(GroupReport group) => Markup.Element("figure", "card",
        Markup.Element("figcaption", null, Markup.Element("h3", null, group.Name), Markup.Element("p", "dim", $"{Phase(group)}: {Figures.Significant(group.NearestLoss)} → {Figures.Significant(group.Loss)}")),
        SvgLineChart.Draw($"Loss of {group.Name}, {Phase(group)}",
        [
            new Line("penalty", [.. group.Curve.Select(p => ((double)p.Iteration, p.Penalty))], IsFaint: true),
            new Line("loss", [.. group.Curve.Select(p => ((double)p.Iteration, p.Loss))]),
        ]));

    private static IEnumerable<XElement> Heads()
    {
        yield return Markup.Element("th", null, "Group");
        yield return Markup.Element("th", null, "Tuned");
        foreach (var head in (string[])["Steps", "Nearest", "Loss", "Not nearest", "Decided", "Time"])
            yield return Markup.Element("th", "number", head);
    }

    private static XElement Row(GroupReport group) => Markup.Element("tr", group.Reason is null ? null : "idle",
        Markup.Element("th", null, group.Name, Markup.Element("span", "dim", group.Reason ?? string.Join(", ", group.Layers))),
        Markup.Element("td", null, Phase(group)),
        Number(Figures.Count(group.Iterations)),
        Number(Figures.Significant(group.NearestLoss)),
        Number(Figures.Significant(group.Loss)),
        Number(Figures.Percent(group.Flipped)),
        Number(Figures.Percent(group.Converged)),
        Number(Figures.Duration(group.Seconds)));

    private static string Phase(GroupReport group) => group.Phase == ReconstructionPhase.Joint ? "weights and activations" : group.Phase.ToString().ToLowerInvariant();

    private static XElement Number(string text) => Markup.Element("td", "number", text);
}
