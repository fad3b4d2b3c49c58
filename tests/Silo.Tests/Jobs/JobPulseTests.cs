using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Silo.Jobs;

namespace Orchestrator.Silo.Tests.Jobs;

public sealed class JobPulseTests
{
    private static readonly JobPlace s_place = new("local", "job", 0, 0, 1, "here");

    private readonly JobPulse _pulse = new();

    [Fact]
    public void A_grain_that_has_not_heard_of_the_start_twice_in_a_row_is_lost()
    {
        Assert.Empty(Take(("layer/1", null), ("layer/2", s_place)));
        Assert.Equal(["layer/1"], Take(("layer/1", null), ("layer/2", s_place)));
    }

    [Fact]
    public void A_start_that_arrives_late_is_no_loss()
    {
        Assert.Empty(Take(("layer/1", null)));
        Assert.Empty(Take(("layer/1", s_place)));
        Assert.Empty(Take(("layer/1", null)));
    }

    [Fact]
    public void Another_start_is_as_good_as_none()
    {
        Take(("layer/1", s_place with { Activation = "elsewhere" }));
        Assert.Equal(["layer/1"], Take(("layer/1", s_place with { Activation = "elsewhere" })));
    }

    [Fact]
    public void Nothing_is_expected_of_a_layer_that_has_ended()
    {
        Take(("layer/1", null));
        Assert.Empty(Take());
        Assert.Empty(Take(("layer/1", null)));
    }

    private IReadOnlyList<string> Take(params (string Key, JobPlace? Place)[] known) =>
        _pulse.Take(s_place, known.Select(k => KeyValuePair.Create(k.Key, k.Place)));
}
