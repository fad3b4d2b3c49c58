using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Tests.Units;

public sealed class NumericProfileTests
{
    [Theory]
    [InlineData("avx2", "cpu", "1.30.0")]
    [InlineData("scalar", "cuda", "1.31.0-dev")]
    public void A_profile_survives_its_text(string width, string provider, string runtime)
    {
        var profile = new NumericProfile(width, provider, runtime);

        Assert.Equal(profile, NumericProfile.Parse(profile.ToString()));
    }

    [Theory]
    [InlineData("")]
    [InlineData("avx2")]
    [InlineData("avx2-cpu")]
    [InlineData("avx2-cpu-1.30.0")]
    [InlineData("avx2-cpu-ort")]
    [InlineData("-cpu-ort1.30.0")]
    public void Other_text_names_no_profile(string text) => Assert.Null(NumericProfile.Parse(text));
}
