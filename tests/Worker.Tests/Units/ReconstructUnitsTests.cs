using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Orchestrator.Checkpoints;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>What a unit does round the tuning: states, lower rates, OBQ where nothing else helps.</summary>
public sealed class ReconstructUnitsTests : IDisposable
{
    private const int Bits = 4;

    private static readonly LayerRef s_layer = new(TinyGemm.Layer, 0);

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);
    private readonly PreparedModels _models = new();
    private readonly MemoryUnitContext _context = new();
    private readonly FakeTuner _tuner = new();
    private readonly UnitInput _model;
    private readonly UnitInput _data;

    public ReconstructUnitsTests()
    {
        _model = _context.Add(Roles.Model, TinyGemm.Model());
        _data = _context.Add(Roles.Data, TinyGemm.Npy());
    }

    public void Dispose()
    {
        _context.Dispose();
        _models.Dispose();
        _environment.Dispose();
    }

    [Fact]
    public async Task A_tuning_gets_the_models_weights_and_the_shards_and_its_codes_are_written_by_role()
    {
        var metrics = await TuneAsync();

        Assert.Equal(TinyGemm.Weights, _tuner.Requests.Single().Weights[0]);
        Assert.Equal(2, _tuner.Requests.Single().Shards.Count);
        Assert.Equal(["weights/0", "codes/0", "scales/0", "zeros/0"], _context.Written);
        Assert.Equal((1.0, 2.0, 1e-3, null), (metrics.Reconstruction!.Loss, metrics.Reconstruction.NearestLoss, metrics.Reconstruction.Rate, metrics.Reconstruction.Reason));
        Assert.Empty(metrics.Rescues!);
        Assert.Equal([1, 2, 3], _context.States.Keys);
    }

    [Fact]
    public async Task A_unit_that_breaks_off_goes_on_from_its_newest_state_and_comes_to_the_same_bytes()
    {
        await TuneAsync();
        var whole = _context.Bytes("codes/0");
        var states = _context.States.ToDictionary();
        _context.States.Remove(3);
        _context.States.Remove(2);

        var metrics = await TuneAsync();

        Assert.Equal(whole, _context.Bytes("codes/0"));
        Assert.Equal(1, metrics.Reconstruction!.ResumedFrom);
        Assert.Equal(states, _context.States.ToDictionary());
        Assert.Equal(2, _tuner.Strides[^1]);
    }

    [Fact]
    public async Task A_loss_that_explodes_is_tried_again_from_the_start_at_a_lower_rate_and_told()
    {
        _tuner.Explodes = factor => factor == 1;

        var metrics = await TuneAsync();

        Assert.Equal([1.0, 0.1], _tuner.Requests.Select(r => r.RateFactor));
        Assert.Equal(1e-4, metrics.Reconstruction!.Rate, 1e-12);
        Assert.Null(metrics.Reconstruction.Reason);
        Assert.Equal(ReconstructUnits.RateLowered, Assert.Single(metrics.Rescues!).Kind);
    }

    [Fact]
    public async Task The_second_try_too_goes_on_where_it_broke_off_and_tells_the_same()
    {
        _tuner.Explodes = factor => factor == 1;
        var whole = await TuneAsync();
        var codes = _context.Bytes("codes/0");
        // The newest is of the second try.
        _context.States.Remove(_context.States.Keys.Last());
        _tuner.Requests.Clear();

        var again = await TuneAsync();

        Assert.Equal([0.1], _tuner.Requests.Select(r => r.RateFactor));
        Assert.Equal(codes, _context.Bytes("codes/0"));
        Assert.Equal((null, 3), (whole.Reconstruction!.ResumedFrom, again.Reconstruction!.ResumedFrom));
        Assert.Equal(CanonicalJson.Digest(whole), CanonicalJson.Digest(again with { Reconstruction = again.Reconstruction with { ResumedFrom = null } }));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_loss_that_explodes_twice_leaves_the_layer_to_OBQ_with_its_mask_and_says_so(bool pruned)
    {
        _tuner.Explodes = _ => true;
        var sparse = TinyGemm.Weights.Select((w, i) => i % 2 == 0 ? 0 : w).ToArray();

        var metrics = await TuneAsync(given: pruned ? sparse : null);

        var tuned = metrics.Reconstruction!;
        Assert.Contains("OBQ instead", tuned.Reason, StringComparison.Ordinal);
        Assert.Equal("obq", Assert.Single(tuned.Layers).Method);
        Assert.Equal([ReconstructUnits.RateLowered, ReconstructUnits.FellBack], metrics.Rescues!.Select(r => r.Kind));
        Assert.Equal(TinyGemm.Layer, metrics.Rescues![1].Layer);
        Assert.All(tuned.Curve, p => Assert.True(double.IsFinite(p.Loss)));
        var (weights, codes) = (_context.Values<float>("weights/0"), _context.Values<int>("codes/0"));
        Assert.All(codes, c => Assert.InRange(c, 0, (1 << Bits) - 1));
        // Half a step of a grid over values between -1 and 1, and what compensation moves beside it.
        Assert.All(weights.Zip(pruned ? sparse : TinyGemm.Weights), pair => Assert.Equal(pair.Second, pair.First, 0.5f));
        if (pruned)
            Assert.All(weights.Zip(sparse), pair => Assert.True(pair.Second != 0 || pair.First == 0));
        Assert.Equal(pruned ? 6 : 0, Math.Min(6, tuned.Layers[0].ZeroWeights));
        Assert.Equal(FakeTuner.LossOfOthers, tuned.Loss);
    }

    [Fact]
    public async Task Step_sizes_that_explode_twice_stay_what_they_were()
    {
        _tuner.Explodes = _ => true;

        var metrics = await TuneAsync(ReconstructionPhase.Activations, TinyGemm.Weights);

        Assert.Equal([Roles.StepSizes], _context.Written);
        Assert.Equal((2.0, 2.0), (metrics.Reconstruction!.Loss, metrics.Reconstruction.NearestLoss));
        Assert.Equal(ReconstructUnits.FellBack, metrics.Rescues![^1].Kind);
    }

    [Fact]
    public async Task A_capture_runs_on_the_model_with_what_its_prefix_became()
    {
        var codes = Enumerable.Range(0, 12).ToArray();
        UnitInput[] prefix = [_context.Add("codes/0", Bytes(codes)), _context.Add("scales/0", Bytes<float>([0.5f, 1, 2])), _context.Add("zeros/0", Bytes<int>([1, 2, 3]))];
        var spec = new CaptureSpec(new GroupSpec("g", []), [s_layer], 0, TinyGemm.Samples, 8, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess());

        var unit = Unit(spec, [_model, _data, .. prefix]);
        await new ReconstructUnits(_tuner, new ObqFallback(new ModelRuntime(_environment))).CaptureAsync(spec, new UnitInputs(unit, _context, CancellationToken.None), _context, _models);

        Assert.Equal([-0.5f, 0, 0.5f, 1, 2, 3, 4, 5, 10, 12, 14, 16], _tuner.Captured);
        Assert.Equal("shard"u8.ToArray(), _context.Bytes(Roles.Activations));
    }

    [Fact]
    public async Task Gradients_are_captured_with_the_groups_own_weights_and_told_where_there_are_none()
    {
        var group = new GroupSpec("g", [new GroupLayer(s_layer, Bits, StartsPruned: true, IsGiven: true)]);
        var spec = new CaptureSpec(group, [], 0, TinyGemm.Samples, 8, ReconstructionLoss.Fisher, BatchNormMode.Fold, new Preprocess());
        float[] own = [.. Enumerable.Range(0, TinyGemm.Weights.Length).Select(i => (float)i)];
        _tuner.Obstacle = "node 'odd': there is no gradient rule for Odd";

        var unit = Unit(spec, [_model, _data, _context.Add("weights/0", MemoryMarshal.AsBytes(own.AsSpan()).ToArray())]);
        var metrics = await new ReconstructUnits(_tuner, new ObqFallback(new ModelRuntime(_environment))).CaptureAsync(
            spec, new UnitInputs(unit, _context, CancellationToken.None), _context, _models);

        Assert.Equal(own, _tuner.Captured);
        var rescue = Assert.Single(metrics.Rescues!);
        Assert.Equal(ReconstructUnits.Unweighted, rescue.Kind);
        Assert.Contains("'g': node 'odd': there is no gradient rule for Odd", rescue.Detail, StringComparison.Ordinal);
    }

    private async Task<UnitMetrics> TuneAsync(ReconstructionPhase phase = ReconstructionPhase.Weights, float[]? given = null)
    {
        _context.Written.Clear();
        var parameters = new ReconstructionParameters
        {
            Iterations = 3, Batch = 4, Rate = 1e-3, Seed = 0, Loss = ReconstructionLoss.Mse, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, Damping = 1e-4,
        };
        var group = new GroupSpec("g", [new GroupLayer(s_layer, Bits, given is not null, given is not null)]);
        var spec = new ReconstructSpec(group, phase, parameters, TinyGemm.Samples, 8, BatchNormMode.Fold, new Preprocess());
        List<UnitInput> inputs = [_model, _data, Shard("shard-0", 10), Shard("shard-1", 6)];
        if (given is not null)
            inputs.Add(_context.Add("weights/0", Bytes(given), "given"));
        var unit = Unit(spec, inputs);
        return await new ReconstructUnits(_tuner, new ObqFallback(new ModelRuntime(_environment)))
            .TuneAsync(spec, unit.Key, new UnitInputs(unit, _context, CancellationToken.None), _context, _models, KernelWidth.Default);
    }

    private UnitInput Shard(string name, int samples) =>
        _context.Add(Roles.Activations, [.. ActivationShard.HeaderOf(samples, [new ShardValue("x", 1)]), .. Bytes(new float[samples])], name);

    private static WorkUnit Unit(UnitSpec spec, IReadOnlyList<UnitInput> inputs) =>
        new() { Id = "unit", Key = new string('a', 64), Kind = UnitKind.Reconstruct, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 };

    private static byte[] Bytes<T>(T[] values)
        where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray();

    /// <summary>Three strides, each a hash of the one before; the codes are the last one's bytes.</summary>
    private sealed class FakeTuner : IGroupTuner
    {
        public const double LossOfOthers = 7;

        private const int All = 3;

        public Func<double, bool> Explodes { get; set; } = _ => false;

        public List<TuningRequest> Requests { get; } = [];

        /// <summary>Done by each call.</summary>
        public List<int> Strides { get; } = [];

        public float[] Captured { get; private set; } = [];

        public string? Obstacle { get; set; }

        public async Task<string?> CaptureAsync(CaptureRequest request, Func<ReadOnlyMemory<byte>, Task> write, Action<double> progress, CancellationToken cancellationToken)
        {
            Captured = Orchestrator.Onnx.Partition.LayerMatrix.Read(Orchestrator.Onnx.Partition.ModelPartition.Of(request.Quantized).Layers[0]);
            Assert.Equal(TinyGemm.Weights, Orchestrator.Onnx.Partition.LayerMatrix.Read(Orchestrator.Onnx.Partition.ModelPartition.Of(request.Model).Layers[0]));
            await write("sha"u8.ToArray());
            await write("rd"u8.ToArray());
            return Obstacle;
        }

        public TunedGroup Tune(TuningRequest request, ReadOnlyMemory<byte>? from, Action<ReadOnlyMemory<byte>> leave, Action<double> progress, CancellationToken cancellationToken)
        {
            Requests.Add(request);
            byte[] state = from?.ToArray() ?? [0, .. SHA256.HashData(BitConverter.GetBytes(request.RateFactor + request.Seed))];
            var explodes = Explodes(request.RateFactor);
            var strides = 0;
            for (; state[0] < (explodes ? 1 : All); strides++)
            {
                state = [(byte)(state[0] + 1), .. SHA256.HashData(state)];
                leave(state);
            }

            Strides.Add(strides);
            CurvePoint[] curve = [new(1, 2, 0), new(2, explodes ? double.NaN : 1, 0)];
            var layers = new Dictionary<int, TunedLayer>();
            if (!explodes && request.Spec.Phase != ReconstructionPhase.Activations)
                layers[0] = new TunedLayer([.. state.Skip(1).Take(12).Select(b => b & 15)], [1, 1, 1], [8, 8, 8], 0.1, 1) { Method = "brecq" };
            return new TunedGroup(explodes ? "it is no number" : null, null, 2, explodes ? 0 : 1, 3, curve, layers, request.Spec.Phase == ReconstructionPhase.Weights ? null : [1, 2]);
        }

        public double LossOf(TuningRequest request, IReadOnlyDictionary<int, float[]> weights, CancellationToken cancellationToken) => LossOfOthers;
    }
}
