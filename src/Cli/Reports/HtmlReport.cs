using System.Xml.Linq;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Reports;

/// <summary><c>report.html</c>: one file without scripts or network that shows what became of a model, light and dark, on paper and phone.</summary>
internal static class HtmlReport
{
    private const string StyleResource = "report.css";

    public static string Render(JobReport report, Provenance provenance) => Markup.ToHtml(
        new XElement("html", new XAttribute("lang", "en"),
            Head(provenance),
            new XElement("body",
                new XElement("main",
                    Header(report, provenance),
                    HtmlCards.Render(report),
                    HtmlCharts.Render(report),
                    HtmlLayerTable.Render(report),
                    HtmlReconstruction.Render(report),
                    HtmlActivations.Render(report),
                    HtmlEstimate.Render(report),
                    HtmlNotes.Rescues(report),
                    HtmlNotes.LeftAlone(report),
                    HtmlNotes.Origin(provenance)),
                Markup.Element("footer", null, $"Written by Orchestrator {provenance.Product.Version}. Numbers in full: report.json."))));

    private static XElement Head(Provenance provenance) => new("head",
        new XElement("meta", new XAttribute("charset", "utf-8")),
        new XElement("meta", new XAttribute("name", "viewport"), new XAttribute("content", "width=device-width, initial-scale=1")),
        new XElement("meta", new XAttribute("name", "color-scheme"), new XAttribute("content", "light dark")),
        Markup.Element("title", null, $"{Path.GetFileName(provenance.Model.File)} · compression report"),
        Markup.Element("style", null, ReadStyle()));

    private static XElement Header(JobReport report, Provenance provenance)
    {
        var (word, tone) = report.Status switch
        {
            ReportStatus.Succeeded => ("Succeeded", "good"),
            ReportStatus.GoalMissed => ("Goal missed", "warn"),
            ReportStatus.Cancelled => ("Cancelled", "warn"),
            _ => ("Failed", "bad"),
        };
        return Markup.Element("header", null,
            Markup.Element("p", "mark", "Orchestrator"),
            Markup.Element("h1", null, Path.GetFileName(provenance.Model.File), " ", Markup.Element("span", $"badge {tone}", word)),
            Markup.Element("p", "dim", $"{provenance.Ended.UtcDateTime:yyyy-MM-dd HH:mm} UTC · {Methods(report)}"),
            report.Reason is { } reason ? Markup.Element("p", $"reason {tone}", reason) : null);
    }

    private static string Methods(JobReport report)
    {
        var methods = report.Layers.Select(layer => layer.Method).OfType<string>().Distinct().ToList();
        return methods.Count == 0 ? "no layer compressed" : string.Join(", ", methods.Select(method => method.Replace("+", " + ")));
    }

    /// <summary>Style sheets are raw text in HTML but escaped in XML; this one gets by without a character that would differ.</summary>
    private static string ReadStyle()
    {
        using var stream = typeof(HtmlReport).Assembly.GetManifestResourceStream(StyleResource)
            ?? throw new InvalidOperationException("The report's style sheet is not part of the assembly.");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
