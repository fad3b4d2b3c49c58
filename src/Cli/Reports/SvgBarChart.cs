using System.Globalization;
using System.Xml.Linq;

namespace Orchestrator.Cli.Reports;

/// <param name="Name">In full; shown when the pointer rests on the row.</param>
/// <param name="Label">Text before the bar, shortened where it is too long.</param>
/// <param name="Value">Null draws no bar but keeps the row.</param>
/// <param name="Text">The value as written at the end of the bar.</param>
/// <param name="IsFaint">Drawn paler: something to compare with.</param>
internal sealed record Bar(string Name, string Label, double? Value, string Text, bool IsFaint = false);

/// <summary>Horizontal bars with a name in front and the value behind, as an SVG element. Pure: the same bars give the same element.</summary>
internal static class SvgBarChart
{
    private const int Width = 420;
    private const int NameWidth = 158;
    private const int ValueWidth = 62;
    private const int RowHeight = 22;
    private const int BarHeight = 12;
    private const int NameLength = 20;
    private const int BarWidth = Width - NameWidth - ValueWidth;

    /// <summary>Decades that a logarithmic bar shows at most.</summary>
    private const double Decades = 6;

    /// <param name="full">Value of a full bar; null takes the largest.</param>
    /// <param name="logarithmic">Bars by decades below the largest, for values that differ by orders of magnitude.</param>
    public static XElement Draw(string title, IReadOnlyList<Bar> bars, double? full = null, bool logarithmic = false)
    {
        var scale = Scale(bars, full, logarithmic);
        var height = bars.Count * RowHeight + 4;
        return new XElement("svg",
            new XAttribute("viewBox", $"0 0 {Width} {height}"),
            new XAttribute("role", "img"),
            new XAttribute("aria-label", Markup.CleanText(title)),
            bars.Select((bar, index) => Row(bar, index, scale)));
    }

    /// <summary>Maps a value to a fraction of the bar's width.</summary>
    private static Func<double, double> Scale(IReadOnlyList<Bar> bars, double? full, bool logarithmic)
    {
        var values = bars.Select(bar => bar.Value).OfType<double>().Where(double.IsFinite).ToList();
        var largest = full ?? values.DefaultIfEmpty(1).Max();
        if (largest <= 0)
            return _ => 0;
        if (!logarithmic)
            return value => Math.Clamp(value / largest, 0, 1);

        var smallest = values.Where(value => value > 0).DefaultIfEmpty(largest).Min();
        var decades = Math.Min(Decades, Math.Floor(Math.Log10(largest / smallest)) + 1);
        return value => value <= 0 ? 0 : Math.Clamp(1 + Math.Log10(value / largest) / decades, 0.02, 1);
    }

    private static XElement Row(Bar bar, int index, Func<double, double> scale)
    {
        var y = index * RowHeight + 2;
        var width = bar.Value is { } value && double.IsFinite(value) ? scale(value) * BarWidth : 0;
        var baseline = y + RowHeight / 2 + 4;
        return new XElement("g",
            new XElement("title", Markup.CleanText($"{bar.Name}: {bar.Text}")),
            Text("name", NameWidth - 8, baseline, "end", Figures.Shorten(bar.Label, NameLength)),
            Rectangle("track", y, BarWidth),
            width > 0 ? Rectangle(bar.IsFaint ? "bar faint" : "bar", y, width) : null,
            Text("value", NameWidth + BarWidth + 8, baseline, "start", bar.Text));
    }

    private static XElement Rectangle(string cssClass, int y, double width) => new("rect",
        new XAttribute("class", cssClass),
        new XAttribute("x", NameWidth),
        new XAttribute("y", y + (RowHeight - BarHeight) / 2),
        new XAttribute("width", Math.Max(width, 1).ToString("0.#", CultureInfo.InvariantCulture)),
        new XAttribute("height", BarHeight),
        new XAttribute("rx", 3));

    private static XElement Text(string cssClass, int x, int y, string anchor, string text) => new("text",
        new XAttribute("class", cssClass),
        new XAttribute("x", x),
        new XAttribute("y", y),
        new XAttribute("text-anchor", anchor),
        Markup.CleanText(text));
}
