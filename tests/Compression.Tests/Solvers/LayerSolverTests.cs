using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>Whole layers: patterns, groups, hard cases, and that a row's result is its own.</summary>
public sealed class LayerSolverTests
{
    // Weights are rounded to float32 after the loss was minimised in double.
    private const double LossTolerance = 1e-6;

    public static TheoryData<string, bool> Methods()
    {
        var data = new TheoryData<string, bool>();
        foreach (var method in (string[])["exact-obs", "block", "nm", "obq", "rtn"])
        {
            data.Add(method, false);
            data.Add(method, true);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void The_cut_into_units_changes_no_bit(string method, bool startsPruned)
    {
        using var layer = SmallLayer.Random(20, 12, 32, groups: 2, kernelPositions: 2);
        if (startsPruned)
            ZeroSome(layer.Weights);
        var step = Steps.Named(method) with { Damping = 1e-4 };
        using var inverse = HessianPreparation.Invert(layer.Hessian, step.Damping).Inverse;
        using var whole = InUnits(layer, step, inverse, startsPruned, [12]);
        foreach (var cut in (int[][])[[6, 6], [1, 4, 3, 4], [.. Enumerable.Repeat(1, 12)]])
        {
            using var parts = InUnits(layer, step, inverse, startsPruned, cut);
            Assert.Equal(whole.ToArray(), parts.ToArray());
        }

        using var run = LayerSolver.Run(layer.Input with { StartsPruned = startsPruned }, step);
        Assert.Equal(whole.ToArray(), run.Weights.ToArray());
        Assert.InRange(run.Loss / layer.Loss(run.Weights), 1 - LossTolerance, 1 + LossTolerance);
    }

    [Theory]
    [InlineData("nm", false)]
    [InlineData("nm", true)]
    [InlineData("obq", false)]
    [InlineData("obq", true)]
    [InlineData("rtn", false)]
    public void A_grouped_layer_is_its_groups_one_by_one(string method, bool startsPruned)
    {
        using var layer = SmallLayer.Random(21, 6, 16, groups: 3);
        if (startsPruned)
            ZeroSome(layer.Weights);

        // exact-obs and block choose one mask over all groups, so they do not split.
        using var whole = LayerSolver.Run(layer.Input with { StartsPruned = startsPruned }, Steps.Named(method));
        for (var group = 0; group < 3; group++)
        {
            using var hessian = new LayerHessian(layer.Hessian[group].Clone());
            using var rows = SmallLayer.Cut(layer.Weights, group * 2, 2);
            using var alone = LayerSolver.Run(new(rows, hessian, new(2, 16, 1, 1)) { StartsPruned = startsPruned }, Steps.Named(method));
            using var part = SmallLayer.Cut(whole.Weights, group * 2, 2);
            Assert.Equal(alone.Weights.ToArray(), part.ToArray());
        }
    }

    [Theory]
    [InlineData("exact-obs")]
    [InlineData("block")]
    [InlineData("nm")]
    [InlineData("obq")]
    [InlineData("rtn")]
    public void Zeros_of_a_pruned_layer_stay_zero(string method)
    {
        using var layer = SmallLayer.Random(22, 8, 24);
        ZeroSome(layer.Weights);
        using var result = LayerSolver.Run(layer.Input with { StartsPruned = true }, Steps.Named(method));
        for (var row = 0; row < 8; row++)
        {
            for (var j = 0; j < 24; j++)
            {
                if (layer.Weights[row, j] == 0)
                    Assert.Equal(0f, result.Weights[row, j]);
            }
        }

        if (result.Quantized is { } quantized)
            Assert.All(Enumerable.Range(0, 8 * 24), i => Assert.Equal(result.Weights[i / 24, i % 24], quantized.Scales[i / 24] * (quantized.Codes[i] - quantized.Zeros[i / 24])));
    }

    [Fact]
    public void Obq_on_a_pruned_row_is_obq_on_the_weights_that_are_left()
    {
        using var layer = SmallLayer.Random(23, 1, 20);
        ZeroSome(layer.Weights);
        var kept = Enumerable.Range(0, 20).Where(j => layer.Weights[0, j] != 0).ToArray();
        var hessian = new Matrix<double>(kept.Length, kept.Length);
        for (var i = 0; i < kept.Length; i++)
        {
            for (var j = 0; j < kept.Length; j++)
                hessian[i, j] = layer.Hessian[0][kept[i], kept[j]];
        }

        using var alone = new SmallLayer(Matrix<float>.FromRows([.. kept.Select(j => layer.Weights[0, j])], 1, kept.Length), new(hessian));
        using var expected = LayerSolver.Run(alone.Input, Steps.Obq(3));
        using var result = LayerSolver.Run(layer.Input with { StartsPruned = true }, Steps.Obq(3));
        Assert.Equal(expected.Quantized!.Codes, kept.Select(j => result.Quantized!.Codes[j]));
        Assert.Equal(expected.Quantized.Scales, result.Quantized!.Scales);
    }

    [Fact]
    public void A_trace_of_pruned_rows_starts_with_what_is_gone_at_no_loss()
    {
        using var layer = SmallLayer.Random(24, 4, 16);
        ZeroSome(layer.Weights);
        var trace = LayerSolver.Trace(layer.Input with { StartsPruned = true }, Steps.ExactObs(0.5));
        for (var row = 0; row < 4; row++)
        {
            var gone = Enumerable.Range(0, 16).Where(j => layer.Weights[row, j] == 0).ToArray();
            Assert.Equal(gone, trace.Order.Skip(row * 16).Take(gone.Length));
            Assert.All(trace.Losses.Skip(row * 16).Take(gone.Length), loss => Assert.Equal(0, loss));
            Assert.Equal(Enumerable.Range(0, 16), trace.Order.Skip(row * 16).Take(16).Order());
        }
    }

    [Theory]
    [InlineData(2, 4)]
    [InlineData(1, 4)]
    [InlineData(4, 8)]
    [InlineData(3, 8)]
    public void Patterns_hold_over_input_channels_at_each_kernel_position(int keep, int group)
    {
        const int positions = 9, channels = 16;
        using var layer = SmallLayer.Random(25, 3, positions * channels, kernelPositions: positions);
        using var result = LayerSolver.Run(layer.Input, Steps.Nm(keep, group));
        for (var row = 0; row < 3; row++)
        {
            for (var position = 0; position < positions; position++)
            {
                for (var first = 0; first < channels; first += group)
                    Assert.Equal(group - keep, Enumerable.Range(first, group).Count(channel => result.Weights[row, channel * positions + position] == 0));
            }
        }
    }

    [Fact]
    public void Blocks_are_input_channels_at_one_kernel_position()
    {
        const int positions = 3, channels = 8, size = 4;
        using var layer = SmallLayer.Random(26, 4, positions * channels, kernelPositions: positions);
        using var result = LayerSolver.Run(layer.Input, Steps.Block(size, 0.5));
        var removed = 0;
        for (var block = 0; block < 4 * positions * channels / size; block++)
        {
            var (row, position, first) = (block / 6, block % 6 / 2, block % 2 * size);
            var zeros = Enumerable.Range(first, size).Count(channel => result.Weights[row, channel * positions + position] == 0);
            Assert.True(zeros is 0 or size, $"block {block} has {zeros} zeros");
            removed += zeros / size;
        }

        Assert.Equal(12, removed);
    }

    [Theory]
    [InlineData(MaskSelection.Heap)]
    [InlineData(MaskSelection.Sort)]
    public void A_sparser_mask_contains_a_denser_one(MaskSelection selection)
    {
        using var layer = SmallLayer.Random(27, 6, 20);
        using var denser = LayerSolver.Run(layer.Input, Steps.ExactObs(0.3, selection));
        using var sparser = LayerSolver.Run(layer.Input, Steps.ExactObs(0.65, selection));
        Assert.Equal(36, denser.ZeroWeights);
        Assert.Equal(78, sparser.ZeroWeights);
        Assert.All(denser.Weights.ToArray().Zip(sparser.Weights.ToArray()), pair => Assert.True(pair.First != 0 || pair.Second == 0));
    }

    [Theory]
    [MemberData(nameof(Methods))]
    public void Dead_columns_and_too_few_samples_are_survived_and_reported(string method, bool startsPruned)
    {
        int[] dead = [2, 9, 10];
        using var layer = SmallLayer.Random(28, 5, 24, samples: 9, dead: dead);
        var step = Steps.Named(method);
        using var result = LayerSolver.Run(layer.Input with { StartsPruned = startsPruned }, step);
        Assert.All(result.Weights.ToArray(), weight => Assert.True(float.IsFinite(weight)));
        Assert.InRange(result.Loss, 0, result.ZeroLoss);
        if (method == "rtn")
            return;
        Assert.Contains(result.Rescues, rescue => rescue.Kind == "damping-raised");
        if (!startsPruned)
            Assert.Contains(result.Rescues, rescue => rescue.Kind == "dead-columns" && rescue.Detail.StartsWith("3 ", StringComparison.Ordinal));
        Assert.All(dead, column => Assert.All(Enumerable.Range(0, 5), row => Assert.Equal(0f, result.Weights[row, column])));
    }

    [Fact]
    public void A_hessian_too_ill_conditioned_for_float_is_solved_in_double_and_reported()
    {
        using var layer = SmallLayer.Random(29, 3, 12);
        var h = layer.Hessian[0];

        // Column 5 becomes column 4 plus a millionth of itself: their difference is all that tells them apart.
        for (var j = 0; j < 12; j++)
            h[5, j] = h[j, 5] = j == 5 ? h[4, 4] * (1 + 1e-6) : h[4, j];
        using var result = LayerSolver.Run(layer.Input, Steps.Nm(2, 4));
        Assert.Contains(result.Rescues, rescue => rescue.Kind == "double-precision");
        for (var row = 0; row < 3; row++)
        {
            var removed = Enumerable.Range(0, 12).Select(j => result.Weights[row, j] == 0).ToArray();
            var best = Oracle.Refit(h, layer.Weights.Row(row), removed).Loss;
            Assert.InRange(result.RowLosses[row], best * (1 - 1e-4), best * (1 + 1e-4));
        }
    }

    [Fact]
    public void Compensation_beats_what_it_compensates_for()
    {
        using var layer = SmallLayer.Random(30, 16, 48);
        using var obq = LayerSolver.Run(layer.Input, Steps.Obq(3));
        using var rtn = LayerSolver.Run(layer.Input, Steps.Rtn(3));
        Assert.True(obq.Loss < 0.5 * rtn.Loss, $"{obq.Loss} {rtn.Loss}");
        using var pruned = LayerSolver.Run(layer.Input, Steps.ExactObs(0.5));
        Assert.True(pruned.Loss < 0.5 * MagnitudeLoss(layer, 0.5), $"{pruned.Loss}");
    }

    [Fact]
    public void The_loss_is_measured_against_the_original_weights()
    {
        using var layer = SmallLayer.Random(31, 4, 16);
        using var original = layer.Weights.Clone();
        ZeroSome(layer.Weights);
        using var result = LayerSolver.Run(layer.Input with { StartsPruned = true, Original = original }, Steps.Obq(4));
        using var dense = new SmallLayer(original.Clone(), new(layer.Hessian[0].Clone()));
        Assert.InRange(result.Loss / dense.Loss(result.Weights), 1 - LossTolerance, 1 + LossTolerance);
        using var nothing = new Matrix<float>(4, 16);
        Assert.InRange(result.ZeroLoss / dense.Loss(nothing), 1 - LossTolerance, 1 + LossTolerance);
    }

    [Fact]
    public void Progress_counts_rows_and_a_cancelled_layer_stops()
    {
        using var layer = SmallLayer.Random(32, 5, 8);
        var seen = new List<int>();
        using var result = LayerSolver.Solve(layer.Input with { Progress = new Recorder(seen) }, Steps.Obq(4));
        Assert.Equal([1, 2, 3, 4, 5], seen);
        using var source = new CancellationTokenSource();
        source.Cancel();
        foreach (var method in (string[])["exact-obs", "block", "nm", "obq", "rtn"])
            Assert.Throws<OperationCanceledException>(() => LayerSolver.Run(layer.Input, Steps.Named(method), source.Token));
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var layer = SmallLayer.Random(33, 4, 12, kernelPositions: 2);
        Assert.Equal("pattern-does-not-fit", Refused(layer.Input, Steps.Nm(2, 4)));
        Assert.Equal("pattern-does-not-fit", Refused(layer.Input, Steps.Block(4, 0.5)));
        Assert.Equal("shape-mismatch", Refused(layer.Input with { FirstRow = 1 }, Steps.Obq(4)));
        Assert.Equal("shape-mismatch", Refused(layer.Input with { Shape = new(4, 13, 1, 1) }, Steps.Obq(4)));
        Assert.Equal("shape-mismatch", Refused(layer.Input with { Shape = new(4, 12, 3, 1) }, Steps.Obq(4)));
        layer.Weights[2, 3] = float.NaN;
        Assert.Equal("weights-not-finite", Refused(layer.Input, Steps.Rtn(4)));
        Assert.Throws<InvalidOperationException>(() => LayerSolver.Trace(new SmallLayer(new(1, 2), LayerHessian.FromValues([1, 0, 0, 1], 1, 2)).Input, Steps.Obq(4)));
    }

    private static string Refused(SolverInput input, CompressStepSpec step) =>
        Assert.Throws<InputException>(() => LayerSolver.Run(input, step)).Code;

    /// <summary>The layer as the worker runs it: ranges of rows, blobs between the phases.</summary>
    private static Matrix<float> InUnits(SmallLayer layer, CompressStepSpec step, LayerInverse inverse, bool startsPruned, int[] cut)
    {
        var inputs = new List<SolverInput>();
        var first = 0;
        foreach (var rows in cut)
        {
            inputs.Add(layer.Range(first, rows) with { StartsPruned = startsPruned, Inverse = startsPruned ? null : inverse });
            first += rows;
        }

        List<RowsResult> results;
        if (step.Method is "exact-obs" or "block")
        {
            var traces = inputs.ConvertAll(input => LayerSolver.Trace(input, step));
            var counts = LayerSolver.Select(new(layer.Shape, step.Size ?? 1, step.Sparsity!.Value, step.Select!.Value), traces.SelectMany(trace => trace.Losses).ToArray()).Counts;
            results = [.. inputs.Zip(traces, (input, trace) => LayerSolver.Finish(input, step, trace.Order, counts.AsSpan(input.FirstRow, input.Rows)))];
        }
        else
        {
            results = inputs.ConvertAll(input => LayerSolver.Solve(input, step));
        }

        var whole = Matrix<float>.FromRows(results.SelectMany(result => result.Weights.ToArray()).ToArray(), layer.Shape.Rows, layer.Shape.Columns);
        results.ForEach(result => result.Dispose());
        return whole;
    }

    /// <summary>Two of five weights, in another pattern each row, some rows alike, no whole row.</summary>
    private static void ZeroSome(Matrix<float> weights)
    {
        for (var row = 0; row < weights.Rows; row++)
        {
            for (var j = 0; j < weights.Columns; j++)
            {
                if ((j * 7 + row / 2 * 3) % 5 < 2)
                    weights[row, j] = 0;
            }
        }
    }

    private static double MagnitudeLoss(SmallLayer layer, double sparsity)
    {
        var values = layer.Weights.ToArray();
        foreach (var i in Enumerable.Range(0, values.Length).OrderBy(i => MathF.Abs(values[i])).Take((int)(sparsity * values.Length)).ToArray())
            values[i] = 0;
        using var pruned = Matrix<float>.FromRows(values, layer.Shape.Rows, layer.Shape.Columns);
        return layer.Loss(pruned);
    }

    private sealed class Recorder(List<int> seen) : IProgress<int>
    {
        public void Report(int value) => seen.Add(value);
    }
}
