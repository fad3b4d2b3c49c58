using Orchestrator.Cli.Reports;

namespace Orchestrator.Cli.Tests.Reports;

public sealed class FiguresTests
{
    [Theory]
    [InlineData(0L, "0 B")]
    [InlineData(1023L, "1023 B")]
    [InlineData(1024L, "1.00 KiB")]
    [InlineData(262_911L, "257 KiB")]
    [InlineData(1L << 31, "2.00 GiB")]
    public void Bytes_are_readable(long bytes, string text) => Assert.Equal(text, Figures.Bytes(bytes));

    [Theory]
    [InlineData(0, "0")]
    [InlineData(123.456, "123")]
    [InlineData(12.3456, "12.3")]
    [InlineData(0.0123456, "0.0123")]
    [InlineData(0.000123456, "1.23e-4")]
    [InlineData(-2.5e7, "-2.50e7")]
    [InlineData(double.NaN, "–")]
    public void Numbers_have_three_significant_digits(double value, string text) => Assert.Equal(text, Figures.Significant(value));

    [Theory]
    [InlineData(0, "0 s")]
    [InlineData(1.234, "1.23 s")]
    [InlineData(59.94, "59.9 s")]
    [InlineData(61, "1 min 01 s")]
    [InlineData(3 * 3600 + 62, "3 h 01 min")]
    public void Durations_are_readable(double seconds, string text) => Assert.Equal(text, Figures.Duration(seconds));

    [Theory]
    [InlineData("top1", "93.34 %", "−0.50 points")]
    [InlineData("cosine", "93.34000", "−0.50000")]
    public void A_metric_has_its_unit(string name, string value, string change)
    {
        Assert.Equal(value, Figures.Metric(93.34, name));
        Assert.Equal(change, Figures.Change(93.84, 93.34, name));
    }

    [Fact]
    public void A_long_name_keeps_its_end() => Assert.Equal("…10/conv2/Conv", Figures.Shorten("/layers.0/blocks.10/conv2/Conv", 14));
}
