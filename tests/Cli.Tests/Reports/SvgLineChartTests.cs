using System.Globalization;
using System.Xml.Linq;
using Orchestrator.Cli.Reports;

namespace Orchestrator.Cli.Tests.Reports;

public sealed class SvgLineChartTests
{
    /// <summary>Places are written with one decimal.</summary>
    private const double Rounding = 0.11;

    [Fact]
    public void Each_decade_is_as_high_as_the_others_and_steps_as_far_apart_as_their_numbers()
    {
        var points = Points(SvgLineChart.Draw("t", [new Line("loss", [(0, 100), (10, 10), (30, 1)])])).Single();

        Assert.Equal(points[1].Y - points[0].Y, points[2].Y - points[1].Y, 2 * Rounding);
        Assert.Equal(2 * (points[1].X - points[0].X), points[2].X - points[1].X, 3 * Rounding);
        Assert.True(points[0].Y < points[2].Y);
    }

    [Fact]
    public void What_has_no_logarithm_is_left_out_and_a_line_of_nothing_else_is_not_drawn()
    {
        var lines = Points(SvgLineChart.Draw("t", [new Line("loss", [(0, 1), (1, double.NaN), (2, 0.1), (3, double.PositiveInfinity)]), new Line("penalty", [(0, 0), (1, 0)], IsFaint: true)]));

        Assert.Equal(2, Assert.Single(lines).Count);
        Assert.Empty(Points(SvgLineChart.Draw("t", [])));
    }

    [Theory]
    [InlineData(5, 5)]
    [InlineData(1e-300, 1e300)]
    public void Every_point_lies_within_the_picture(double first, double last)
    {
        var points = Points(SvgLineChart.Draw("t", [new Line("loss", [(0, last), (7, first)])])).Single();

        Assert.All(points, p => Assert.True(p.X is >= 0 and <= 420 && p.Y is >= 0 and <= 150, $"{p}"));
        Assert.Single(Points(SvgLineChart.Draw("t", [new Line("loss", [(3, 1)])])));
    }

    private static List<List<(double X, double Y)>> Points(XElement svg) =>
    [
        .. svg.Descendants("polyline").Select(line => line.Attribute("points")!.Value.Split(' ')
            .Select(p => p.Split(',').Select(n => double.Parse(n, CultureInfo.InvariantCulture)).ToArray()).Select(p => (p[0], p[1])).ToList()),
    ];
}
