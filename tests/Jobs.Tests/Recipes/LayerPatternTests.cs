using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

public sealed class LayerPatternTests
{
    [Theory]
    [InlineData("/fc/Gemm", "/fc/Gemm", true)]
    [InlineData("/fc/Gemm", "/fc/Gemm_1", false)]
    [InlineData("/FC/Gemm", "/fc/Gemm", false)]
    [InlineData("/stem/*", "/stem/conv/Conv", true)]
    [InlineData("/stem/*", "/stem", false)]
    [InlineData("*", "", true)]
    [InlineData("*conv?", "/blocks.2/conv1", true)]
    [InlineData("*conv?", "/blocks.2/conv10", false)]
    [InlineData("*a*b*c", "xxaxxbxxbc", true)]
    [InlineData("*a*b*c", "xxaxxbxxbd", false)]
    [InlineData("a?c", "ac", false)]
    [InlineData("blocks.2", "blocksx2", false)]
    [InlineData("odd*name", "odd*name", true)]
    [InlineData("/conv[12]$/", "/blocks.2/conv1", true)]
    [InlineData("/conv[12]$/", "/blocks.2/conv3", false)]
    [InlineData("/^fc/", "/fc", false)]
    public void A_pattern_matches_the_names_it_should(string pattern, string name, bool matches) =>
        Assert.Equal(matches, LayerPattern.Parse(pattern).Matches(name));

    [Theory]
    [InlineData("a*")]
    [InlineData("*a?")]
    public void A_hostile_glob_takes_no_exponential_time(string part)
    {
        var pattern = LayerPattern.Parse(string.Concat(Enumerable.Repeat(part, 300)) + "!");
        Assert.False(pattern.Matches(new string('a', 2_000)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/(a/")]
    [InlineData(@"/(a)\1/")]
    public void A_pattern_that_cannot_be_run_is_refused(string pattern) =>
        Assert.ThrowsAny<ArgumentException>(() => LayerPattern.Parse(pattern));

    [Fact]
    public void A_very_long_pattern_is_refused() =>
        Assert.ThrowsAny<ArgumentException>(() => LayerPattern.Parse(new string('x', RecipeLimits.PatternLength + 1)));
}
