using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Initial grids, captures behind them and the written model, on three layers with activation functions between.</summary>
public sealed class ActivationUnitsTests : IDisposable
{
    private const int Width = TinyChain.Width;
    private const int Bits = 3;
    private const string First = TinyChain.First;
    private const string Middle = TinyChain.Middle;

    private static readonly LayerRef[] s_layers = [.. TinyChain.Layers];
    private static readonly ActivationSpec s_activations = new(Bits, [s_layers[0], s_layers[2]]);

    private readonly RunUnits _units = new(TinyChain.Model());

    public void Dispose() => _units.Dispose();

    [Fact]
    public async Task Grids_are_found_for_what_lies_between_the_layers_with_the_weights_of_the_prefix()
    {
        var grids = await GridsAsync([]);
        Assert.Equal([(First, 8), (Middle, 8)], grids.Select(g => (g.Value, g.Bits)));

        var halved = await GridsAsync([Weights(0, 0.5f)]);
        Assert.Equal(grids[0].Scale / 2, halved[0].Scale, 1e-6f);
    }

    [Fact]
    public async Task A_group_behind_quantized_activations_is_fed_with_values_on_their_grid_and_aims_at_the_float_ones()
    {
        ActivationGrid[] initial = [new(First, 8, 0.01f, 0), new(TinyChain.Middle, Bits, 0.1f, 0)];
        ActivationGrid[] tuned = [new(First, Bits, 0.5f, 0)];
        UnitInput[] steps = [_units.Context.Add(Roles.StepSizes, ActivationGrids.ToBytes(initial), "initial"), _units.Context.Add(Roles.StepSizes, ActivationGrids.ToBytes(tuned), "tuned")];
        var shard = await CaptureAsync(new CaptureSpec(Group(1), [], 0, TinyGemm.Samples, 8, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess()) { Activations = s_activations, Steps = 2 }, steps);
        var plain = await CaptureAsync(new CaptureSpec(Group(1), [], 0, TinyGemm.Samples, 8, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess()), []);

        Assert.Equal(Read(plain, First).Select(v => 0.5f * Math.Clamp(MathF.Round(v / 0.5f), 0, 7)), Read(shard, First));
        Assert.Equal(Read(plain, Middle), Read(shard, Middle));
    }

    [Fact]
    public async Task The_written_model_quantizes_each_activation_on_its_newest_grid()
    {
        ActivationGrid[] initial = [new(First, 8, 0.01f, 0), new(TinyChain.Middle, Bits, 0.1f, 0)];
        ActivationGrid[] tuned = [new(Middle, Bits, 0.25f, 1)];
        UnitInput[] steps = [_units.Context.Add(Roles.StepSizes, ActivationGrids.ToBytes(initial), "initial"), _units.Context.Add(Roles.StepSizes, ActivationGrids.ToBytes(tuned), "tuned")];
        var spec = new AssembleSpec([.. s_layers.Select(l => new AssembleLayer(l, null, null))], BatchNormMode.Fold) { Activations = s_activations };

        var metrics = await RunAsync(spec, UnitKind.Assemble, [_units.Model, Weights(0, 1), Weights(1, 1), Weights(2, 1), .. steps]);

        var written = OnnxModel.Load(_units.Context.Bytes(Roles.Model));
        var expected = OnnxModel.Load(TinyChain.Model());
        FakeQuantization.Insert(expected, [initial[0], tuned[0]]);
        Assert.Equal(2, written.Graph.Nodes.Count(n => n.Is("QuantizeLinear")));
        Assert.Equal(Run(expected), Run(written));
        Assert.NotEqual(Run(OnnxModel.Load(TinyChain.Model())), Run(written));
        Assert.Equal([(TinyChain.First, 8, 0.01f, 0.01f, 0, "Gemm_1"), (TinyChain.Middle, Bits, 0.1f, 0.25f, 1, "Gemm_2")], metrics.Activations!.Select(a => (a.Value, a.Bits, a.FirstStep, a.Step, a.Zero, a.Layers.Single())));
    }

    [Fact]
    public async Task Damaged_step_sizes_stop_a_unit_before_it_writes_anything()
    {
        var spec = new AssembleSpec([new AssembleLayer(s_layers[0], null, null)], BatchNormMode.Fold) { Activations = s_activations };

        await Assert.ThrowsAsync<InvalidDataException>(() => RunAsync(spec, UnitKind.Assemble, [_units.Model, Weights(0, 1), _units.Context.Add(Roles.StepSizes, [1, 2, 3])]));
        Assert.Empty(_units.Context.Written);
    }

    private Task<UnitMetrics> RunAsync(UnitSpec spec, UnitKind kind, params IReadOnlyList<UnitInput> inputs) => _units.Runner.RunAsync(
        new WorkUnit { Id = "unit", Key = new string('a', 64), Kind = kind, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 }, _units.Context, CancellationToken.None);

    private static GroupSpec Group(int layer) => new("g", [new GroupLayer(s_layers[layer], Bits, StartsPruned: false, IsGiven: false)]);

    private async Task<IReadOnlyList<ActivationGrid>> GridsAsync(UnitInput[] prefix)
    {
        var spec = new StepSizesSpec([.. prefix.Select((_, i) => s_layers[i])], s_activations, TinyGemm.Samples, 5, BatchNormMode.Fold, new Preprocess());
        await RunAsync(spec, UnitKind.Statistics, [_units.Model, _units.Data, .. prefix]);
        return ActivationGrids.Open(_units.Context.Bytes(Roles.StepSizes));
    }

    private UnitInput Weights(int layer, float factor) => _units.Context.Add(
        $"{Roles.Weights}/{layer}", System.Runtime.InteropServices.MemoryMarshal.AsBytes(TinyChain.Matrix(layer).Select(w => w * factor).ToArray().AsSpan()).ToArray());

    private async Task<ActivationShard> CaptureAsync(CaptureSpec spec, UnitInput[] steps)
    {
        await RunAsync(spec, UnitKind.Statistics, [_units.Model, _units.Data, .. steps]);
        return ActivationShard.Open(_units.Context.FileOf(_units.Context.Output(Roles.Activations).Blob));
    }

    private static float[] Read(ActivationShard shard, string value)
    {
        var all = new float[shard.Samples * Width];
        for (var i = 0; i < shard.Samples; i++)
            shard.Read(i, value, all.AsSpan(i * Width, Width));
        return all;
    }

    private float[] Run(OnnxModel model)
    {
        using var session = new ModelRuntime(_units.Environment).Open(model);
        using var options = new RunOptions();
        using var input = OrtValue.FromMemory<float>(TinyGemm.Data, [TinyGemm.Samples, Width]);
        using var outputs = session.Run(["x"], [input], [model.Graph.Outputs[0].Name], options);
        return outputs[0].AsSpan<float>().ToArray();
    }
}
