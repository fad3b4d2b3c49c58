using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Capture and tuning as a worker runs them, on a model of one layer.</summary>
public sealed class GroupTunerTests : IDisposable
{
    private const int Bits = 2;

    /// <summary>More than two strides between states, so that there are two states.</summary>
    private const int Iterations = 600;

    /// <summary>Float32 products of a scale and a whole number below 4.</summary>
    private const float GridTolerance = 1e-6f;

    /// <summary>What weights move a loss by at least, where gradients differ as they do among a softmax's classes.</summary>
    private const double WeightTolerance = 1e-3;

    private static readonly GroupSpec s_group = new("g", [new GroupLayer(new LayerRef(TinyGemm.Layer, 0), Bits, StartsPruned: false, IsGiven: false)]);

    private readonly RunUnits _units = new(TinyGemm.Model());

    public void Dispose() => _units.Dispose();

    [Fact]
    public async Task Codes_lose_no_more_than_the_nearest_ones_and_give_the_weights_on_their_grid()
    {
        var tuned = (await TuneAsync()).Reconstruction!;

        Assert.InRange(tuned.Loss, 0, tuned.NearestLoss);
        Assert.True(tuned.NearestLoss > 0);
        Assert.Equal(tuned.Reason is null ? "adaround" : "rtn", Assert.Single(tuned.Layers).Method);
        Assert.NotEmpty(tuned.Curve);
        var (codes, scales, zeros) = (_units.Context.Values<int>("codes/0"), _units.Context.Values<float>("scales/0"), _units.Context.Values<int>("zeros/0"));
        Assert.All(codes, code => Assert.InRange(code, 0, (1 << Bits) - 1));
        var values = codes.Select((code, i) => scales[i / TinyGemm.Columns] * (code - zeros[i / TinyGemm.Columns]));
        Assert.All(values.Zip(_units.Context.Values<float>("weights/0")), pair => Assert.Equal(pair.First, pair.Second, GridTolerance));
    }

    [Fact]
    public async Task A_tuning_that_broke_off_goes_on_from_its_state_to_the_same_codes()
    {
        await TuneAsync();
        var (codes, states) = (_units.Context.Bytes("codes/0"), _units.Context.States.ToDictionary());
        Assert.Equal([1, 2], states.Keys);
        _units.Context.States.Remove(2);

        var again = await TuneAsync();

        Assert.Equal(1, again.Reconstruction!.ResumedFrom);
        Assert.Equal(codes, _units.Context.Bytes("codes/0"));
        Assert.Equal(states, _units.Context.States.ToDictionary());
    }

    [Fact]
    public async Task A_weighted_loss_gets_gradients_of_the_group_at_its_nearest_codes()
    {
        var plain = (await TuneAsync()).Reconstruction!;
        var weighted = (await TuneAsync(ReconstructionLoss.Fisher)).Reconstruction!;

        Assert.True(weighted.NearestLoss > 0);
        Assert.NotEqual(plain.NearestLoss, weighted.NearestLoss, WeightTolerance);
        Assert.InRange(weighted.Loss, 0, weighted.NearestLoss);
    }

    [Fact]
    public async Task What_has_no_gradient_is_left_to_OBQ_and_named()
    {
        _units.Model = _units.Context.Add(Roles.Model, TinyGemm.Model(activation: "Softplus"), "odd");

        var metrics = await TuneAsync();

        var tuned = metrics.Reconstruction!;
        Assert.Equal("obq", Assert.Single(tuned.Layers).Method);
        Assert.Contains("Softplus", tuned.Reason, StringComparison.Ordinal);
        Assert.Equal([ReconstructUnits.FellBack], metrics.Rescues!.Select(r => r.Kind));
        Assert.InRange(tuned.Loss, 0, tuned.NearestLoss);
        Assert.True(tuned.Loss > 0);
    }

    [Theory]
    [InlineData(ReconstructionLoss.Mse)]
    [InlineData(ReconstructionLoss.Fisher)]
    public async Task A_model_of_an_old_operator_set_is_tuned_as_one_of_a_newer(ReconstructionLoss loss)
    {
        var newer = await TuneAsync(loss);
        var codes = _units.Context.Bytes("codes/0");
        _units.Model = _units.Context.Add(Roles.Model, TinyGemm.Model(opset: 11), "old");
        _units.Context.States.Clear();

        var older = await TuneAsync(loss);

        Assert.Empty(older.Rescues!);
        Assert.Equal(codes, _units.Context.Bytes("codes/0"));
        Assert.Equal(newer.Reconstruction!.Loss, older.Reconstruction!.Loss);
    }

    private async Task<UnitMetrics> TuneAsync(ReconstructionLoss loss = ReconstructionLoss.Mse)
    {
        var shards = new List<UnitInput>();
        foreach (var (first, count) in ((int, int)[])[(0, 10), (10, 6)])
        {
            var capture = new CaptureSpec(s_group, [], first, count, 4, loss, BatchNormMode.Fold, new Preprocess());
            if (loss != ReconstructionLoss.Mse)
                capture = capture with { Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric };
            Assert.Null((await RunAsync(capture, UnitKind.Statistics, _units.Model, _units.Data)).Rescues);
            shards.Add(_units.Context.Add(Roles.Activations, _units.Context.Bytes(Roles.Activations), $"shard-{first}"));
        }

        var parameters = new ReconstructionParameters
        {
            Iterations = Iterations, Batch = 8, Rate = 1e-2, Seed = 0, Loss = loss, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, Damping = 1e-4,
            Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
        };
        var spec = new ReconstructSpec(s_group, ReconstructionPhase.Weights, parameters, TinyGemm.Samples, 8, BatchNormMode.Fold, new Preprocess());
        return await RunAsync(spec, UnitKind.Reconstruct, [_units.Model, _units.Data, .. shards]);
    }

    private Task<UnitMetrics> RunAsync(UnitSpec spec, UnitKind kind, params IReadOnlyList<UnitInput> inputs) => _units.Runner.RunAsync(
        new WorkUnit { Id = "unit", Key = new string('a', 64), Kind = kind, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 }, _units.Context, CancellationToken.None);
}
