using System.Text.RegularExpressions;
using System.Xml.Linq;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Tests.Reports;

public sealed partial class HtmlReportTests
{
    private static readonly string[] s_voidElements = ["meta", "br", "hr", "img", "link"];

    [Fact]
    public void The_page_is_well_formed()
    {
        var page = Parse(HtmlReport.Render(SampleReports.Large(), SampleReports.Provenance));

        Assert.Equal("html", page.Name.LocalName);
        Assert.Equal(["head", "body"], page.Elements().Select(element => element.Name.LocalName));
    }

    [Fact]
    public void Every_layer_is_in_the_table_and_every_supported_one_in_each_chart()
    {
        var report = SampleReports.Large();
        var page = Parse(HtmlReport.Render(report, SampleReports.Provenance));

        var rows = page.Descendants("table").First().Element("tbody")!.Elements("tr").ToList();
        Assert.Equal(report.Layers.Count, rows.Count);
        Assert.All(report.Layers.Zip(rows), pair => Assert.StartsWith(pair.First.Name, pair.Second.Element("th")!.Value, StringComparison.Ordinal));
        var charts = page.Descendants("svg").ToList();
        Assert.Equal(["Relative loss", "Sparsity", "Bits"], charts.Select(chart => chart.Attribute("aria-label")!.Value));
        Assert.All(charts, chart => Assert.Equal(report.Layers.Count - 1, chart.Elements("g").Count()));
    }

    [Theory]
    [InlineData("92.61 %")]
    [InlineData("from 93.34 %")]
    [InlineData("−0.73 points")]
    [InlineData("257 KiB")]
    [InlineData("6.39 times smaller")]
    [InlineData("1.71 ms")]
    [InlineData("214 units: 180 computed, 34 reused")]
    [InlineData("412 MiB")]
    [InlineData("damping raised from 1e-4 to 1e-3")]
    [InlineData("recurrent weights are not supported")]
    [InlineData("skipped by rule \"/stem/*\"")]
    [InlineData("avx2+cpu+ort1.30.0")]
    public void What_the_job_found_is_on_the_page(string text) =>
        Assert.Contains(text, Parse(HtmlReport.Render(SampleReports.Large(), SampleReports.Provenance)).Value, StringComparison.Ordinal);

    [Fact]
    public void Each_group_that_was_reconstructed_has_its_curve_and_a_row_with_its_reason()
    {
        var group = new GroupReport
        {
            Name = "/stage1", Granularity = Granularity.Block, Layers = ["/stage1/conv1", "/stage1/conv2"], Phase = ReconstructionPhase.Weights,
            NearestLoss = 4.5, Loss = 0.25, Iterations = 20_000, Rate = 1e-3, Flipped = 0.125, Converged = 1, Curve = [new(1, 4, 8), new(20_000, 0.2, 0.01)], Seconds = 75,
        };
        var report = SampleReports.Large() with { Reconstruction = [group, group with { Name = "/fc", Phase = ReconstructionPhase.Joint, Reason = "the loss exploded twice: OBQ instead" }, group with { Name = "/idle", Curve = [] }] };
        var page = Parse(HtmlReport.Render(report, SampleReports.Provenance));

        string[] curves = [.. page.Descendants("svg").Select(chart => chart.Attribute("aria-label")!.Value).Where(label => label.StartsWith("Loss of", StringComparison.Ordinal))];
        Assert.Equal(["Loss of /stage1, weights", "Loss of /fc, weights and activations"], curves);
        Assert.Equal(4, page.Descendants("polyline").Count());
        Assert.All((string[])["4.50 → 0.250", "12.5 %", "the loss exploded twice: OBQ instead", "1 min 15 s"], text => Assert.Contains(text, page.Value, StringComparison.Ordinal));
        Assert.DoesNotContain("Reconstruction", Parse(HtmlReport.Render(SampleReports.Large(), SampleReports.Provenance)).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void Each_activation_that_is_quantized_has_a_row_with_its_grid()
    {
        var report = SampleReports.Large() with { Activations = [new("/stage1/Relu_output_0", 4, 0.25f, 0.1875f, 3, ["/stage1/conv1", "/stage1/conv2"])] };
        var page = Parse(HtmlReport.Render(report, SampleReports.Provenance));

        Assert.All((string[])["Activations", "/stage1/Relu_output_0", "0.250", "0.188", "/stage1/conv1, /stage1/conv2"], text => Assert.Contains(text, page.Value, StringComparison.Ordinal));
        Assert.DoesNotContain("Code of 0", Parse(HtmlReport.Render(SampleReports.Large() with { Activations = [] }, SampleReports.Provenance)).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failed_job_has_a_page_with_its_reason()
    {
        var report = SampleReports.Empty();
        var page = Parse(HtmlReport.Render(report, SampleReports.Provenance with { ResultSha256 = null }));

        Assert.Contains(report.Reason!, page.Value, StringComparison.Ordinal);
        Assert.Contains("Failed", page.Value, StringComparison.Ordinal);
        Assert.Empty(page.Descendants("svg"));
    }

    [Fact]
    public void Names_from_a_model_cannot_become_markup()
    {
        const string Hostile = "<script>alert('&amp;')</script>\u0001\uD800\"";
        var report = SampleReports.Large();
        report = report with
        {
            Reason = Hostile,
            Layers = [report.Layers[1] with { Name = Hostile, Block = Hostile, Reason = Hostile }],
            Rescues = [new Rescue(Hostile, Hostile, Hostile)],
        };
        var html = HtmlReport.Render(report, SampleReports.Provenance with { Model = new FileStamp(Hostile, "", 0) });

        Assert.DoesNotContain("<script", html, StringComparison.Ordinal);
        Assert.Empty(Parse(html).Descendants("script"));
        Assert.Contains("<script>alert('&amp;')</script>\uFFFD\uFFFD\"", Parse(html).Value, StringComparison.Ordinal);
    }

    [Fact]
    public void The_page_needs_no_network_and_no_script()
    {
        var html = HtmlReport.Render(SampleReports.Large(), SampleReports.Provenance);

        Assert.DoesNotMatch(Outside(), html);
        Assert.Empty(Parse(html).Descendants("script"));
    }

    /// <summary>HTML reads <c>&lt;td/&gt;</c> as a start tag, and a style sheet as raw text.</summary>
    [Fact]
    public void The_page_means_the_same_as_html_and_as_xml()
    {
        foreach (var report in (JobReport[])[SampleReports.Large(), SampleReports.Empty()])
        {
            var html = HtmlReport.Render(report, SampleReports.Provenance);
            var closed = SelfClosed().Matches(html).Select(match => match.Groups[1].Value).Distinct().Except(s_voidElements);
            Assert.Equal([], closed.Except(["rect"]));
            Assert.DoesNotContain("&", Style().Match(html).Groups[1].Value, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Dark_and_small_screens_have_their_rules()
    {
        var style = Style().Match(HtmlReport.Render(SampleReports.Large(), SampleReports.Provenance)).Groups[1].Value;

        Assert.Contains("prefers-color-scheme: dark", style, StringComparison.Ordinal);
        Assert.Contains("max-width: 560px", style, StringComparison.Ordinal);
    }

    private static XElement Parse(string html)
    {
        const string Doctype = "<!DOCTYPE html>";
        Assert.StartsWith(Doctype, html, StringComparison.Ordinal);
        return XDocument.Parse(html[Doctype.Length..]).Root!;
    }

    [GeneratedRegex(@"(src|href|url|@import|https?:)\W")]
    private static partial Regex Outside();

    [GeneratedRegex(@"<(\w+)[^<>]*/>")]
    private static partial Regex SelfClosed();

    [GeneratedRegex(@"<style>(.*?)</style>", RegexOptions.Singleline)]
    private static partial Regex Style();
}
