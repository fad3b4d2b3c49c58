using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class LossWatchTests
{
    [Fact]
    public void The_curve_has_means()
    {
        var watch = new LossWatch(every: 2, nearestLoss: 1);
        foreach (var (step, loss) in new[] { (1, 4.0), (2, 2.0), (3, 1.0), (4, 2.0), (5, 9.0) })
            Assert.Null(watch.Add(step, loss, penalty: step));

        Assert.Equal([new CurvePoint(2, 3, 1.5), new CurvePoint(4, 1.5, 3.5)], watch.Snapshot.Curve);
        Assert.Equal((9, 5, 1), (watch.Snapshot.Loss, watch.Snapshot.Penalty, watch.Snapshot.Steps));
    }

    [Fact]
    public void A_watch_goes_on_where_a_state_was_taken()
    {
        var (whole, begun) = (new LossWatch(3, 1), new LossWatch(3, 1));
        for (var step = 1; step <= 4; step++)
            begun.Add(step, step, 0);
        var (curve, loss, penalty, steps) = begun.Snapshot;
        var resumed = LossWatch.From(3, 1, new ReconstructionState(4, new Dictionary<string, float[]>(), curve, loss, penalty, steps));
        for (var step = 1; step <= 7; step++)
        {
            whole.Add(step, step, 0);
            if (step > 4)
                resumed.Add(step, step, 0);
        }

        Assert.Equal(whole.Snapshot.Curve, resumed.Snapshot.Curve);
    }

    [Theory]
    [InlineData(double.NaN, 0)]
    [InlineData(double.PositiveInfinity, 0)]
    [InlineData(1, double.NaN)]
    public void What_is_no_number_is_told_at_once(double loss, double penalty) =>
        Assert.Contains("step 1", new LossWatch(100, 1).Add(1, loss, penalty), StringComparison.Ordinal);

    [Fact]
    public void An_explosion_is_one_of_the_mean_and_not_of_one_minibatch()
    {
        var watch = new LossWatch(2, nearestLoss: 0.5);
        Assert.Null(watch.Add(1, 0.1, 0));
        Assert.Null(watch.Add(2, 900, 0));
        Assert.Null(watch.Add(3, 600, 0));
        Assert.Equal("the loss was 600 at step 4, where the nearest codes have 0.5", watch.Add(4, 600, 0));
    }

    [Fact]
    public void Where_the_nearest_codes_lose_nothing_only_what_is_no_number_is_an_explosion() =>
        Assert.Null(new LossWatch(1, nearestLoss: 0).Add(1, 1, 0));
}
