using System.Runtime.InteropServices;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Step sizes tuned as a worker does it, by themselves and beside weights, on the middle one of three layers.</summary>
public sealed class ActivationTuningTests : IDisposable
{
    private const int Bits = 2;
    private const int Iterations = 600;

    // Nothing is the first or the last layer: what leaves the middle one has as many bits as the others.
    private static readonly ActivationSpec s_activations = new(Bits, []);
    private static readonly ActivationGrid[] s_initial = [new(TinyChain.First, Bits, 0.9f, 0), new(TinyChain.Middle, Bits, 0.5f, 0)];

    private readonly RunUnits _units = new(TinyChain.Model());

    public void Dispose() => _units.Dispose();

    [Fact]
    public async Task Step_sizes_of_what_the_group_computes_are_learned_and_nothing_else_is_written()
    {
        var tuned = (await TuneAsync(ReconstructionPhase.Activations)).Reconstruction!;

        Assert.Equal((ReconstructionPhase.Activations, Iterations, null), (tuned.Phase, tuned.Iterations, tuned.Reason));
        Assert.True(tuned.Loss < tuned.NearestLoss);
        Assert.NotEmpty(tuned.Curve);
        Assert.Null(Assert.Single(tuned.Layers).Method);
        Assert.Equal([Roles.StepSizes], _units.Context.Written);
        var grid = Assert.Single(Grids());
        Assert.NotEqual(s_initial[1].Scale, grid.Scale);
        Assert.Equal(s_initial[1], grid with { Scale = s_initial[1].Scale });
    }

    [Theory]
    [InlineData(null)]
    [InlineData(0.5)]
    public async Task Weights_and_step_sizes_are_learned_together(double? drop)
    {
        var tuned = (await TuneAsync(ReconstructionPhase.Joint, drop: drop)).Reconstruction!;

        Assert.InRange(tuned.Loss, 0, tuned.NearestLoss);
        Assert.Equal(tuned.Reason is null ? "adaround" : "rtn", Assert.Single(tuned.Layers).Method);
        Assert.Equal(["weights/1", "codes/1", "scales/1", "zeros/1", Roles.StepSizes], _units.Context.Written);
        Assert.All(_units.Context.Values<int>("codes/1"), code => Assert.InRange(code, 0, (1 << Bits) - 1));
        Assert.Equal(TinyChain.Middle, Assert.Single(Grids()).Value);
    }

    [Theory]
    [InlineData(ReconstructionPhase.Activations, null)]
    [InlineData(ReconstructionPhase.Joint, 0.5)]
    public async Task A_tuning_that_broke_off_goes_on_from_its_state_to_the_same_bytes(ReconstructionPhase phase, double? drop)
    {
        await TuneAsync(phase, drop: drop);
        var (written, states) = (Results(), _units.Context.States.ToDictionary());
        Assert.Equal([1, 2], states.Keys);
        _units.Context.States.Remove(2);

        var again = await TuneAsync(phase, drop: drop);

        Assert.Equal(1, again.Reconstruction!.ResumedFrom);
        Assert.Equal(written, Results());
        Assert.Equal(states, _units.Context.States.ToDictionary());
    }

    [Fact]
    public async Task A_group_that_computes_no_quantized_value_has_no_step_sizes()
    {
        var tuned = (await TuneAsync(ReconstructionPhase.Activations, layer: 2)).Reconstruction!;

        Assert.Equal((0, "no activation of the group is quantized"), (tuned.Iterations, tuned.Reason));
        Assert.Empty(Grids());
    }

    [Fact]
    public async Task What_explodes_beside_weights_is_left_to_OBQ_on_the_step_sizes_that_were_found()
    {
        var metrics = await TuneAsync(ReconstructionPhase.Joint, rate: double.NaN);

        Assert.Equal([ReconstructUnits.RateLowered, ReconstructUnits.FellBack], metrics.Rescues!.Select(r => r.Kind));
        Assert.Equal("obq", Assert.Single(metrics.Reconstruction!.Layers).Method);
        Assert.Equal([s_initial[1]], Grids());
        // On grids as coarse as these the weights' share of the loss is the smaller one: what is left of it shows that activations are quantized here, too.
        Assert.InRange(metrics.Reconstruction.Loss, metrics.Reconstruction.NearestLoss / 4, metrics.Reconstruction.NearestLoss * 2);
    }

    [Fact]
    public async Task A_value_without_an_initial_grid_stops_the_unit()
    {
        var e = await Assert.ThrowsAsync<InvalidDataException>(() => TuneAsync(ReconstructionPhase.Activations, grids: [s_initial[0]]));
        Assert.Contains(TinyChain.Middle, e.Message, StringComparison.Ordinal);
    }

    private IReadOnlyList<ActivationGrid> Grids() => ActivationGrids.Open(_units.Context.Bytes(Roles.StepSizes));

    private Dictionary<string, byte[]> Results() => _units.Context.Written.Distinct().ToDictionary(role => role, _units.Context.Bytes);

    private async Task<UnitMetrics> TuneAsync(ReconstructionPhase phase, int layer = 1, double? drop = null, double rate = 1e-2, ActivationGrid[]? grids = null)
    {
        var steps = _units.Context.Add(Roles.StepSizes, ActivationGrids.ToBytes(grids ?? s_initial), "initial");
        var isTuned = phase == ReconstructionPhase.Activations;
        var group = new GroupSpec("g", [new GroupLayer(TinyChain.Layers[layer], Bits, StartsPruned: false, IsGiven: isTuned)]);
        var capture = new CaptureSpec(group, [], 0, TinyGemm.Samples, 5, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess()) { Activations = s_activations, Steps = 1, Floats = drop is null ? null : true };
        await RunAsync(capture, UnitKind.Statistics, _units.Model, _units.Data, steps);
        List<UnitInput> inputs = [_units.Model, _units.Data, _units.Context.Add(Roles.Activations, _units.Context.Bytes(Roles.Activations), "shard")];
        if (isTuned)
            inputs.Add(_units.Context.Add($"{Roles.Weights}/{layer}", MemoryMarshal.AsBytes(TinyChain.Matrix(layer).Select(w => MathF.Round(w * 2) / 2).ToArray().AsSpan()).ToArray()));
        var parameters = new ReconstructionParameters { Iterations = Iterations, Batch = 8, Rate = rate, Seed = 0, Loss = ReconstructionLoss.Mse };
        if (!isTuned)
        {
            parameters = parameters with
            {
                Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, Damping = 1e-4, Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
                ActivationRate = 1e-2, Drop = drop,
            };
        }

        _units.Context.Written.Clear();
        var spec = new ReconstructSpec(group, phase, parameters, TinyGemm.Samples, 8, BatchNormMode.Fold, new Preprocess()) { Activations = s_activations };
        return await RunAsync(spec, UnitKind.Reconstruct, [.. inputs, steps]);
    }

    private Task<UnitMetrics> RunAsync(UnitSpec spec, UnitKind kind, params IReadOnlyList<UnitInput> inputs) => _units.Runner.RunAsync(
        new WorkUnit { Id = "unit", Key = new string('a', 64), Kind = kind, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 }, _units.Context, CancellationToken.None);
}
