namespace Orchestrator.Numerics.Tests;

public sealed class KernelWidthsTests
{
    [Fact]
    public void The_list_goes_from_wide_to_scalar()
    {
        Assert.Equal(KernelWidth.Scalar, KernelWidths.Supported[^1]);
        Assert.Equal(KernelWidths.Supported.OrderByDescending(width => (int)width), KernelWidths.Supported);
        Assert.Equal(KernelWidths.Supported[0], KernelWidths.Resolve(KernelWidth.Default));
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void A_name_leads_back_to_its_width(KernelWidth width) => Assert.Equal(width, KernelWidths.Parse(KernelWidths.Name(width)));

    [Fact]
    public void Unknown_names_and_absent_widths_are_refused()
    {
        Assert.Null(KernelWidths.Parse("mmx"));
        Assert.Throws<PlatformNotSupportedException>(() => KernelWidths.Resolve((KernelWidth)64));
        foreach (var absent in Enum.GetValues<KernelWidth>().Except(KernelWidths.Supported).Where(width => width != KernelWidth.Default))
            Assert.Throws<PlatformNotSupportedException>(() => new ObsElimination<float>(4, absent));
    }
}
