using Orchestrator.Compression.Reconstruction;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class RectifiedSigmoidTests
{
    // Golden values are printed with six digits after the point.
    private const double GoldenTolerance = 5e-7;

    // algorithms.md 2.4.
    private const double StartTolerance = 1e-6;

    // Central differences at a step of 1e-5: the error of the formula is of the order of its square, that of the rounding 1e-11.
    private const double DifferenceTolerance = 1e-9;
    private const double DifferenceStep = 1e-5;

    [Theory]
    [InlineData(0, -2.397895)]
    [InlineData(0.1, -1.609438)]
    [InlineData(0.25, -0.887303)]
    [InlineData(0.5, 0)]
    [InlineData(0.75, 0.887303)]
    [InlineData(0.9, 1.609438)]
    [InlineData(0.999, 2.387035)]
    public void Start_values_are_those_of_9_5(double r, double v) =>
        Assert.InRange(RectifiedSigmoid.Inverse(r), v - GoldenTolerance, v + GoldenTolerance);

    [Fact]
    public void The_start_is_the_weight_itself()
    {
        for (var r = 0.0; r <= 1; r += 1.0 / 1024)
            Assert.InRange(RectifiedSigmoid.Value((float)RectifiedSigmoid.Inverse(r)), r - StartTolerance, r + StartTolerance);
    }

    [Fact]
    public void The_derivative_is_that_of_central_differences_and_nothing_where_the_value_is_clipped()
    {
        for (var v = -2.3; v < 2.3; v += 0.1)
        {
            var difference = (RectifiedSigmoid.Value(v + DifferenceStep) - RectifiedSigmoid.Value(v - DifferenceStep)) / (2 * DifferenceStep);
            Assert.InRange(RectifiedSigmoid.Derivative(v), difference - DifferenceTolerance, difference + DifferenceTolerance);
        }

        Assert.Equal((0, 0), (RectifiedSigmoid.Derivative(-3), RectifiedSigmoid.Derivative(3)));
        Assert.Equal((0, 1), (RectifiedSigmoid.Value(-3), RectifiedSigmoid.Value(3)));
    }

    [Theory]
    [InlineData(-0.01)]
    [InlineData(1.01)]
    public void What_is_no_share_of_a_step_is_refused(double r) => Assert.Throws<ArgumentOutOfRangeException>(() => RectifiedSigmoid.Inverse(r));
}
