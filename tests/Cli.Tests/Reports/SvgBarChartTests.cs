using System.Globalization;
using System.Xml.Linq;
using Orchestrator.Cli.Reports;

namespace Orchestrator.Cli.Tests.Reports;

public sealed class SvgBarChartTests
{
    /// <summary>Widths are written with one decimal.</summary>
    private const double Rounding = 0.051;

    [Fact]
    public void Bars_are_as_long_as_their_values()
    {
        var widths = Widths(SvgBarChart.Draw("t", [new("a", "a", 1, ""), new("b", "b", 0.5, ""), new("c", "c", 0.25, "")], full: 1));

        Assert.Equal(widths[0] / 2, widths[1], Rounding);
        Assert.Equal(widths[0] / 4, widths[2], Rounding);
    }

    [Fact]
    public void Logarithmic_bars_lose_the_same_for_each_decade()
    {
        var widths = Widths(SvgBarChart.Draw("t", [new("a", "a", 1, ""), new("b", "b", 0.1, ""), new("c", "c", 0.01, "")], logarithmic: true));

        Assert.Equal(widths[0] - widths[1], widths[1] - widths[2], 2 * Rounding);
        Assert.True(widths[2] > 0);
    }

    [Fact]
    public void A_missing_value_keeps_its_row_without_a_bar()
    {
        var chart = SvgBarChart.Draw("t", [new("a", "a", null, "–"), new("b", "b", double.NaN, "–"), new("c", "c", 0, "0"), new("d", "d", 3, "3")]);

        Assert.Equal(4, chart.Elements("g").Count());
        Assert.Single(Widths(chart));
    }

    [Fact]
    public void Zeros_alone_draw_nothing() => Assert.Empty(Widths(SvgBarChart.Draw("t", [new("a", "a", 0, "0")], logarithmic: true)));

    private static List<double> Widths(XElement chart) =>
        [.. chart.Descendants("rect").Where(rect => (string?)rect.Attribute("class") == "bar").Select(rect => double.Parse(rect.Attribute("width")!.Value, CultureInfo.InvariantCulture))];
}
