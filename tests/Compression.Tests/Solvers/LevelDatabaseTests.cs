using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>Many sparsities of one layer from one trace (algorithms.md 5.5).</summary>
public sealed class LevelDatabaseTests
{
    /// <summary>A Cholesky solution in double rounded to float32, against Gaussian elimination in double; weights are of order 1.</summary>
    private const double WeightTolerance = 1e-6;

    /// <summary>The same quadratic form of the same float32 weights in double, summed in another order, relative.</summary>
    private const double SumTolerance = 1e-12;

    /// <summary>Float32 rounding of weights, against the layer's whole loss.</summary>
    private const double RoundingShare = 1e-9;

    private static readonly double[] s_levels = [0, 0.1, 0.4, 0.75, 0.9];

    [Fact]
    public void The_papers_levels_keep_nine_tenths_of_the_one_before()
    {
        // Counts of algorithms.md 5.5.
        Assert.Equal((45, 30), (SparsityLevels.Unstructured.Count, SparsityLevels.Blocks.Count));
        Assert.Equal([0, 0.1, 0.19, 0.271], SparsityLevels.Unstructured.Take(4));
        Assert.Equal((0.99, 0.95), (SparsityLevels.Unstructured[^1], SparsityLevels.Blocks[^1]));
        foreach (var levels in (IReadOnlyList<double>[])[SparsityLevels.Unstructured, SparsityLevels.Blocks])
        {
            for (var k = 0; k < levels.Count - 1; k++)
                Assert.Equal(1 - Math.Pow(0.9, k), levels[k], SumTolerance);
            Assert.Equal(levels.Distinct().Order(), levels);
        }
    }

    [Fact]
    public void A_level_is_what_brute_force_finds_at_that_sparsity()
    {
        using var layer = SmallLayer.Random(41, 5, 10);
        var levels = LayerSolver.Levels(layer.Input, Steps.ExactObs(0));
        var rows = Enumerable.Range(0, 5).Select(row => Oracle.Greedy(layer.Hessian[0], layer.Weights.Row(row))).ToArray();
        foreach (var level in s_levels)
        {
            using var candidate = levels.Candidate(level);
            var counts = Heap([.. rows.Select(row => row.Losses)], (int)Math.Ceiling(level * 50));
            for (var row = 0; row < 5; row++)
            {
                var removed = new bool[10];
                foreach (var column in rows[row].Order.Take(counts[row]))
                    removed[column] = true;
                var expected = Oracle.Refit(layer.Hessian[0], layer.Weights.Row(row), removed).Weights;
                for (var j = 0; j < removed.Length; j++)
                {
                    Assert.Equal(removed[j], candidate.Weights[row, j] == 0);
                    Assert.Equal(expected[j], candidate.Weights[row, j], WeightTolerance);
                }
            }
        }
    }

    [Theory]
    [InlineData("exact-obs", 1, 1, false, MaskSelection.Heap)]
    [InlineData("exact-obs", 3, 2, true, MaskSelection.Sort)]
    [InlineData("block", 4, 1, false, MaskSelection.Sort)]
    [InlineData("block", 3, 2, false, MaskSelection.Exact)]
    public void A_level_is_a_run_of_its_own(string method, int kernelPositions, int groups, bool startsPruned, MaskSelection selection)
    {
        using var layer = SmallLayer.Random(42, 6, 24, groups: groups, kernelPositions: kernelPositions, dead: [5]);
        if (startsPruned)
            layer.Weights[1, 3] = layer.Weights[4, 7] = 0;
        var step = Steps.Named(method) with { Damping = 1e-4, Select = selection };
        var input = layer.Input with { StartsPruned = startsPruned };
        var levels = LayerSolver.Levels(input, step);
        // From the sparsest on: what a level does must not show in the next.
        foreach (var level in s_levels.Reverse())
        {
            using var candidate = levels.Candidate(level);
            using var run = LayerSolver.Run(input, step with { Sparsity = level });
            Assert.Equal(run.Weights.ToArray(), candidate.Weights.ToArray());
            Assert.Equal((run.Loss, run.ZeroWeights), (candidate.Loss, candidate.ZeroWeights));
            Assert.Equal(run.Rescues, levels.Rescues.Concat(candidate.Rescues));
        }
    }

    [Theory]
    [InlineData("exact-obs", MaskSelection.Heap, true)]
    [InlineData("exact-obs", MaskSelection.Sort, true)]
    [InlineData("exact-obs", MaskSelection.Exact, false)]
    [InlineData("block", MaskSelection.Heap, true)]
    public void Losses_grow_with_the_level_and_are_those_of_the_weights(string method, MaskSelection selection, bool nested)
    {
        using var layer = SmallLayer.Random(43, 8, 24);
        var levels = LayerSolver.Levels(layer.Input, Steps.Named(method) with { Select = selection });
        var lower = new float[8 * 24];
        Array.Fill(lower, 1f);
        var loss = 0.0;
        foreach (var level in SparsityLevels.Unstructured)
        {
            using var candidate = levels.Candidate(level);
            var weights = candidate.Weights.ToArray();
            Assert.InRange(candidate.Loss, loss - RoundingShare * candidate.ZeroLoss, candidate.ZeroLoss);
            Assert.Equal(layer.Loss(candidate.Weights), candidate.Loss, SumTolerance * candidate.ZeroLoss);
            Assert.InRange(candidate.Sparsity, level, 1);
            if (nested)
                Assert.All(lower.Zip(weights), pair => Assert.True(pair.First != 0 || pair.Second == 0));
            (lower, loss) = (weights, candidate.Loss);
        }

        Assert.True(loss > 0);
    }

    /// <summary>The paper's rule, word for word.</summary>
    private static int[] Heap(double[][] losses, int total)
    {
        var counts = new int[losses.Length];
        for (var k = 0; k < total; k++)
            counts[Enumerable.Range(0, counts.Length).Where(row => counts[row] < losses[row].Length).MinBy(row => losses[row][counts[row]])]++;
        return counts;
    }
}
