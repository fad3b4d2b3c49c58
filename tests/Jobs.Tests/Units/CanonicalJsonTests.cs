using System.Text;
using System.Text.Json;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Tests.Units;

public sealed class CanonicalJsonTests
{
    [Fact]
    public void Members_are_sorted_at_every_level_and_nulls_left_out() => Assert.Equal(
        """{"a":[{"x":1,"y":2}],"b":"ü/<"}""",
        Text(new { b = "ü/<", a = new[] { new { y = 2, x = 1, z = (string?)null } } }));

    [Theory]
    [InlineData(0.1, "0.1")]
    [InlineData(1e-4, "0.0001")]
    [InlineData(1e-5, "1E-05")]
    [InlineData(1.0, "1")]
    [InlineData(-0.0, "-0")]
    [InlineData(1.0 / 3, "0.3333333333333333")]
    [InlineData(double.MaxValue, "1.7976931348623157E+308")]
    public void Numbers_have_their_shortest_form(double value, string expected)
    {
        Assert.Equal($"[{expected}]", Text(new[] { value }));
        Assert.Equal(value, double.Parse(expected));
    }

    [Fact]
    public void Numbers_that_are_none_are_refused() => Assert.ThrowsAny<Exception>(() => CanonicalJson.Serialize(new[] { double.NaN }));

    [Fact]
    public void Enumerations_are_names_and_numbers_are_not_read_back_as_them()
    {
        Assert.Equal("""["statistics"]""", Text(new[] { UnitKind.Statistics }));
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize<UnitKind[]>("[2]", CanonicalJson.Options));
    }

    private static string Text<T>(T value) => Encoding.UTF8.GetString(CanonicalJson.Serialize(value));
}
