using System.Globalization;
using System.Xml.Linq;

namespace Orchestrator.Cli.Reports;

/// <param name="IsFaint">Drawn paler: something to compare with.</param>
internal sealed record Line(string Name, IReadOnlyList<(double X, double Y)> Points, bool IsFaint = false);

/// <summary>Lines over a common axis, values by decades, as an SVG element. Pure: the same lines give the same element.</summary>
internal static class SvgLineChart
{
    private const int Width = 420;
    private const int Height = 150;
    private const int Left = 62;
    private const int Right = 8;
    private const int Top = 8;
    private const int Bottom = 22;

    /// <summary>Decades that are shown at most.</summary>
    private const double Decades = 8;

    public static XElement Draw(string title, IReadOnlyList<Line> lines)
    {
        var values = lines.SelectMany(line => line.Points).Where(IsShown).ToList();
        var svg = new XElement("svg",
            new XAttribute("viewBox", $"0 0 {Width} {Height}"),
            new XAttribute("role", "img"),
            new XAttribute("aria-label", Markup.CleanText(title)));
        if (values.Count == 0)
            return svg;
        var (first, last) = (values.Min(p => p.X), values.Max(p => p.X));
        var highest = values.Max(p => p.Y);
        var lowest = Math.Max(values.Min(p => p.Y), highest / Math.Pow(10, Decades));
        var area = new Area(first, last > first ? last : first + 1, Math.Log10(lowest), Math.Log10(highest > lowest ? highest : lowest * 10));
        svg.Add(
            new XElement("rect", new XAttribute("class", "track"), Attribute("x", Left), Attribute("y", Top), Attribute("width", Width - Left - Right), Attribute("height", Height - Top - Bottom), Attribute("rx", 3)),
            Text("name", Left - 6, Top + 10, "end", Figures.Significant(highest)),
            Text("name", Left - 6, Height - Bottom, "end", Figures.Significant(lowest)),
            Text("name", Left, Height - 6, "start", Figures.Count((long)first)),
            Text("name", Width - Right, Height - 6, "end", Figures.Count((long)last)),
            lines.Where(line => line.Points.Any(IsShown)).Select(line => Draw(line, area)));
        return svg;
    }

    /// <summary>By decades: nothing and what is no number has no place.</summary>
    private static bool IsShown((double X, double Y) point) => double.IsFinite(point.Y) && point.Y > 0;

    private static XElement Draw(Line line, Area area) => new("g",
        new XElement("title", Markup.CleanText(line.Name)),
        new XElement("polyline",
            new XAttribute("class", line.IsFaint ? "line faint" : "line"),
            new XAttribute("points", string.Join(' ', line.Points.Where(IsShown).Select(area.Place)))));

    private static XAttribute Attribute(string name, int value) => new(name, value);

    private static XElement Text(string cssClass, int x, int y, string anchor, string text) => new("text",
        new XAttribute("class", cssClass), Attribute("x", x), Attribute("y", y), new XAttribute("text-anchor", anchor), text);

    private readonly record struct Area(double First, double Last, double Low, double High)
    {
        public string Place((double X, double Y) point)
        {
            var x = Left + (point.X - First) / (Last - First) * (Width - Left - Right);
            var y = Top + (1 - Math.Clamp((Math.Log10(point.Y) - Low) / (High - Low), 0, 1)) * (Height - Top - Bottom);
            return string.Create(CultureInfo.InvariantCulture, $"{x:0.#},{y:0.#}");
        }
    }
}
