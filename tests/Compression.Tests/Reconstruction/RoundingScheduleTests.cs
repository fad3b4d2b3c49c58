using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class RoundingScheduleTests
{
    // Sums of a few products in double.
    private const double Tolerance = 1e-12;

    private static readonly RoundingSchedule s_schedule = new(Iterations: 1_000, Warmup: 0.2, FirstBeta: 20, LastBeta: 2, Lambda: 0.01);

    [Theory]
    [InlineData(1, 20, 0)]
    [InlineData(199, 20, 0)]
    [InlineData(200, 20, 0.01)]
    [InlineData(600, 11, 0.01)]
    [InlineData(1_000, 2, 0.01)]
    public void The_exponent_falls_in_a_line_after_a_warm_up_without_penalty(int step, double beta, double weight)
    {
        Assert.InRange(s_schedule.Beta(step), beta - Tolerance, beta + Tolerance);
        Assert.Equal(weight, s_schedule.PenaltyWeight(step));
    }

    [Fact]
    public void Decided_roundings_cost_nothing_and_undecided_ones_the_weight()
    {
        Assert.Equal((0, 0, 0.01), (s_schedule.Penalty(1_000, 0), s_schedule.Penalty(1_000, 1), s_schedule.Penalty(1_000, 0.5)));
        Assert.Equal(0, s_schedule.Penalty(1, 0.5));
        // At β = 2: 1 − 0.5².
        Assert.InRange(s_schedule.Penalty(1_000, 0.75), 0.0075 - Tolerance, 0.0075 + Tolerance);
    }

    [Fact]
    public void A_schedule_without_iterations_after_its_warm_up_is_one_still() =>
        Assert.Equal(20, (s_schedule with { Iterations = 1, Warmup = 1 }).Beta(1));

    [Fact]
    public void The_cosine_goes_from_the_rate_to_nothing()
    {
        Assert.Equal(4e-4, RoundingSchedule.CosineRate(4e-4, 1, 100));
        Assert.InRange(RoundingSchedule.CosineRate(4e-4, 51, 100), 2e-4 - Tolerance, 2e-4 + Tolerance);
        Assert.InRange(RoundingSchedule.CosineRate(4e-4, 101, 100), -Tolerance, Tolerance);
    }

    [Fact]
    public void Adam_corrects_its_moments()
    {
        var (first, second) = ReconstructionGraph.Adam.Corrections(2);
        Assert.InRange(first, 0.19 - Tolerance, 0.19 + Tolerance);
        Assert.InRange(second, 0.001999 - Tolerance, 0.001999 + Tolerance);
    }

    [Fact]
    public void A_phase_without_weights_has_none()
    {
        var parameters = new ReconstructionParameters { Iterations = 1_000, Batch = 32, Rate = 1e-3, Seed = 0, Loss = ReconstructionLoss.Mse };
        Assert.Throws<ArgumentException>(() => RoundingSchedule.Of(parameters));
        Assert.Equal(s_schedule, RoundingSchedule.Of(parameters with { Warmup = 0.2, FirstBeta = 20, LastBeta = 2, Lambda = 0.01 }));
    }
}
