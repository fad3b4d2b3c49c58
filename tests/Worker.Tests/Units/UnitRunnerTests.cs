using System.Text.Json;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Every kind of unit on a model of one Gemm layer [3 × 4], each unit's outputs handed to the next by hand.</summary>
public sealed class UnitRunnerTests : IDisposable
{
    private const int Rows = TinyGemm.Rows;
    private const int Columns = TinyGemm.Columns;
    private const int Samples = TinyGemm.Samples;

    // Sums of 16 products of numbers below 4 in float32.
    private const double GramTolerance = 1e-4;

    private static readonly LayerRef s_layer = new(TinyGemm.Layer, 0);
    private static readonly LayerShape s_shape = new(Rows, Columns, 1, 1);
    private static readonly Preprocess s_preprocess = new();

    private readonly RunUnits _units = new(TinyGemm.Model());
    private readonly float[] _weights = TinyGemm.Weights;
    private readonly float[] _samples = TinyGemm.Data;

    public void Dispose() => _units.Dispose();

    [Fact]
    public async Task An_outline_lists_the_layer_as_a_matrix()
    {
        await RunAsync(new OutlineSpec(BatchNormMode.Fold), _units.Model);
        var outline = JsonSerializer.Deserialize<ModelOutline>(_units.Context.Bytes(Roles.Outline), JsonSerializerOptions.Web)!;
        var layer = Assert.Single(outline.Layers);
        Assert.Equal((Rows, Columns, "Gemm", "Gemm"), (layer.Rows, layer.Columns, layer.Name, layer.OpType));
        Assert.Equal(_units.Model.Blob.Sha256, outline.Digest);
    }

    [Fact]
    public async Task Shards_merge_to_the_averaged_Hessian_whatever_the_batch()
    {
        await HessianAsync(batch: 5);
        var hessian = _units.Context.Values<double>(Roles.Hessian);
        for (var i = 0; i < Columns; i++)
        {
            for (var j = 0; j < Columns; j++)
            {
                var expected = Enumerable.Range(0, Samples).Sum(n => 2.0 / Samples * _samples[(n * Columns) + i] * _samples[(n * Columns) + j]);
                Assert.Equal(expected, hessian[(i * Columns) + j], GramTolerance);
            }
        }

        Assert.Equal(_weights, _units.Context.Values<float>(Roles.Weights));
    }

    [Fact]
    public async Task A_quantized_layer_survives_assembly_and_its_loss_is_what_the_blobs_say()
    {
        await HessianAsync(batch: 8);
        var metrics = await SolveAsync(Step("rtn", bits: 8), startsPruned: false);
        await RunAsync(
            new AssembleSpec([new AssembleLayer(s_layer, 8, QuantizationScheme.Asymmetric)], BatchNormMode.Fold),
            _units.Model, _units.Context.Output(Roles.Codes, "codes/0"), _units.Context.Output(Roles.Scales, "scales/0"), _units.Context.Output(Roles.Zeros, "zeros/0"));
        var compressed = _units.Context.Add(Roles.Model, _units.Context.Bytes(Roles.Model), "compressed");

        var original = _units.Context.Add(Roles.Model, TinyGemm.Model(), "float");
        var compared = await RunAsync(new CompareSpec([s_layer], 0, Samples, 8, BatchNormMode.Fold, s_preprocess), original, compressed, _units.Data);
        var check = Assert.Single(compared.Checks!);
        Assert.InRange(check.RelativeError, 1e-6, 0.02);
        Assert.InRange(check.Cosine, 0.999, 1.0001);
        Assert.Equal(QuadraticLoss(), metrics.Loss!.Value, GramTolerance);
    }

    [Fact]
    public async Task Pruning_by_trace_select_and_finish_hits_the_sparsity_and_later_losses_count_from_the_original()
    {
        await HessianAsync(batch: 8);
        var step = Step("exact-obs", sparsity: 0.5);
        var hessian = _units.Context.Output(Roles.Hessian);
        var original = _units.Context.Add(Roles.Weights, _units.Context.Bytes(Roles.Weights), "original-weights");
        await RunAsync(new InverseSpec(s_layer, 1, Columns, step.Damping), hessian);
        await RunAsync(new RowsSpec(s_shape, step, RowsPhase.Trace, 0, Rows, false), original, hessian, _units.Context.Output(Roles.Inverse));
        await RunAsync(new SelectSpec(s_shape, 1, 0.5, MaskSelection.Heap), _units.Context.Output(Roles.Losses));
        var pruned = await RunAsync(
            new RowsSpec(s_shape, step, RowsPhase.Finish, 0, Rows, false), original, hessian, _units.Context.Output(Roles.Order), _units.Context.Output(Roles.Counts));
        Assert.Equal(Rows * Columns / 2, pruned.ZeroWeights);

        var quantized = await RunAsync(
            new RowsSpec(s_shape, Step("obq", bits: 8), RowsPhase.Solve, 0, Rows, true),
            _units.Context.Output(Roles.Weights), hessian, new UnitInput(Roles.Original, original.Blob));
        Assert.Equal(pruned.ZeroWeights, quantized.ZeroWeights);
        Assert.Equal(pruned.Loss!.Value, quantized.Loss!.Value, pruned.Loss.Value * 0.2);
        Assert.Equal(pruned.ZeroLoss!.Value, quantized.ZeroLoss!.Value, GramTolerance);
    }

    [Fact]
    public async Task A_trace_that_keeps_its_rows_finishes_without_the_order()
    {
        await HessianAsync(batch: 8);
        var step = Step("exact-obs", sparsity: 0.5);
        var (hessian, original) = (_units.Context.Output(Roles.Hessian), _units.Context.Add(Roles.Weights, _units.Context.Bytes(Roles.Weights), "original-weights"));
        await RunAsync(new InverseSpec(s_layer, 1, Columns, step.Damping), hessian);
        await RunAsync(new RowsSpec(s_shape, step, RowsPhase.Trace, 0, Rows, false) { KeepsRows = true }, original, hessian, _units.Context.Output(Roles.Inverse));
        await RunAsync(new SelectSpec(s_shape, 1, 0.5, MaskSelection.Heap), _units.Context.Output(Roles.Losses));
        await RunAsync(new RowsSpec(s_shape, step, RowsPhase.Finish, 0, Rows, false) { KeepsRows = true }, original, hessian, _units.Context.Output(Roles.Kept), _units.Context.Output(Roles.Counts));
        var picked = _units.Context.Values<float>(Roles.Weights);
        await RunAsync(new RowsSpec(s_shape, step, RowsPhase.Finish, 0, Rows, false), original, hessian, _units.Context.Output(Roles.Order), _units.Context.Output(Roles.Counts));

        Assert.All(_units.Context.Values<float>(Roles.Weights).Zip(picked), pair => Assert.Equal(pair.First, pair.Second, (float)GramTolerance));
        Assert.Equal(Rows * Columns / 2, picked.Count(w => w == 0));
    }

    [Fact]
    public async Task A_model_compared_with_itself_has_cosine_one()
    {
        var reference = _units.Context.Add(Roles.Model, TinyGemm.Model(), "float");
        var metrics = await RunAsync(new EvaluateSpec("cosine", 0, Samples, 8, s_preprocess, false), _units.Model, _units.Data, reference);
        Assert.Equal(Samples, metrics.MetricCount);
        Assert.Equal(Samples, metrics.MetricSum!.Value, GramTolerance);
        Assert.Equal(1, _units.Context.Progress);
    }

    private async Task HessianAsync(int batch)
    {
        var grams = new List<UnitInput>();
        foreach (var (first, count) in ((int, int)[])[(0, 10), (10, 6)])
        {
            await RunAsync(new GramSpec([s_layer], first, count, batch, BatchNormMode.Fold, s_preprocess), _units.Model, _units.Data);
            grams.Add(_units.Context.Add(Roles.Gram, _units.Context.Bytes("gram/0"), $"shard{first}"));
        }

        await RunAsync(new HessianSpec(s_layer, Samples, BatchNormMode.Fold), [_units.Model, .. grams]);
    }

    private Task<UnitMetrics> SolveAsync(CompressStepSpec step, bool startsPruned) => RunAsync(
        new RowsSpec(s_shape, step, RowsPhase.Solve, 0, Rows, startsPruned),
        _units.Context.Add(Roles.Weights, _units.Context.Bytes(Roles.Weights), "first-weights"), _units.Context.Output(Roles.Hessian));

    private double QuadraticLoss()
    {
        var (solved, hessian) = (_units.Context.Values<float>(Roles.Weights), _units.Context.Values<double>(Roles.Hessian));
        var loss = 0.0;
        for (var row = 0; row < Rows; row++)
        {
            for (var i = 0; i < Columns; i++)
            {
                for (var j = 0; j < Columns; j++)
                {
                    double di = solved[(row * Columns) + i] - _weights[(row * Columns) + i], dj = solved[(row * Columns) + j] - _weights[(row * Columns) + j];
                    loss += 0.5 * di * hessian[(i * Columns) + j] * dj;
                }
            }
        }

        return loss;
    }

    private Task<UnitMetrics> RunAsync(UnitSpec spec, params UnitInput[] inputs) => _units.Runner.RunAsync(
        new WorkUnit { Id = "unit", Key = new string('0', 64), Kind = UnitKind.Rows, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 },
        _units.Context,
        CancellationToken.None);

    private static CompressStepSpec Step(string method, int? bits = null, double? sparsity = null) => new()
    {
        Method = method,
        Damping = 1e-4,
        Bits = bits,
        Grid = bits is null ? null : GridKind.Mse,
        Scheme = bits is null ? null : QuantizationScheme.Asymmetric,
        Sparsity = sparsity,
        Select = sparsity is null ? null : MaskSelection.Heap,
    };
}
