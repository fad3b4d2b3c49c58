using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>Both memory modes of algorithms.md 5.5: rows kept by the trace, and rows solved again for their masks.</summary>
public sealed class KeptRowsTests
{
    /// <summary>Weights of order 1 through a chain of a few dozen float updates against one solution in double.</summary>
    private const double WeightTolerance = 2e-5;

    [Theory]
    [InlineData("exact-obs", 1, 1, false)]
    [InlineData("exact-obs", 3, 1, true)]
    [InlineData("block", 4, 1, false)]
    [InlineData("block", 3, 2, true)]
    public void Both_give_the_same_weights(string method, int kernelPositions, int groups, bool startsPruned)
    {
        using var layer = SmallLayer.Random(31, 6, 24, groups: groups, kernelPositions: kernelPositions);
        if (startsPruned)
            Prune(layer);
        var step = Steps.Named(method) with { Damping = 1e-4 };
        var input = layer.Input with { StartsPruned = startsPruned };
        var trace = LayerSolver.Trace(input with { KeepsRows = true }, step);
        foreach (var sparsity in (double[])[0, 0.4, 0.75, 1])
        {
            var counts = LayerSolver.Select(new SelectSpec(layer.Shape, step.Size ?? 1, sparsity, MaskSelection.Heap), trace.Losses).Counts;
            using var picked = LayerSolver.Pick(input, step, trace.Kept!, counts);
            using var solved = LayerSolver.Finish(input, step, trace.Order, counts);

            Assert.All(picked.Weights.ToArray().Zip(solved.Weights.ToArray()), pair =>
            {
                Assert.Equal(pair.First == 0, pair.Second == 0);
                Assert.Equal(pair.First, pair.Second, WeightTolerance);
            });
            Assert.Equal(solved.ZeroWeights, picked.ZeroWeights);
        }
    }

    [Fact]
    public void Nothing_is_kept_unless_asked_for()
    {
        using var layer = SmallLayer.Random(32, 3, 8);
        Assert.Null(LayerSolver.Trace(layer.Input, Steps.ExactObs(0.5)).Kept);
    }

    [Fact]
    public void What_is_no_trace_of_these_rows_is_refused()
    {
        using var layer = SmallLayer.Random(33, 3, 8);
        Assert.Throws<ArgumentException>(() => LayerSolver.Pick(layer.Input, Steps.ExactObs(0.5), new float[10], [1, 1, 1]));
    }

    /// <summary>Whole pairs of neighbouring channels at one kernel position, so that blocks of two are whole too.</summary>
    private static void Prune(SmallLayer layer)
    {
        var positions = layer.Shape.KernelPositions;
        for (var row = 0; row < layer.Weights.Rows; row++)
        {
            var pair = row % (layer.Weights.Columns / positions / 2);
            layer.Weights[row, (2 * pair * positions) + (row % positions)] = 0;
            layer.Weights[row, (((2 * pair) + 1) * positions) + (row % positions)] = 0;
        }
    }
}
