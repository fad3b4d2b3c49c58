using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Units;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Draft, moments, correction and assembly of two convolutions that share a weight, each with a batch norm of its own, one channel's scale negative.</summary>
public sealed class CorrectionUnitsTests : IDisposable
{
    private const int Samples = 16;
    private const int Batch = 8;
    private const int Channels = 3;
    private const int Pixels = 5;

    /// <summary>Folding rounds scales and biases to float32; outputs are of order 1.</summary>
    private const float FoldTolerance = 1e-5f;

    private static readonly LayerRef s_layer = new("Conv", 0);
    private static readonly SiteRef[] s_norms = [new("BatchNormalization", ChannelAxis.Second, Channels), new("BatchNormalization_1", ChannelAxis.Second, Channels)];

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);
    private readonly UnitRunner _runner;
    private readonly MemoryUnitContext _context = new();
    private readonly UnitInput _model;
    private readonly UnitInput _data;
    private readonly UnitInput[] _result;
    private UnitMetrics? _metrics;

    public CorrectionUnitsTests()
    {
        _runner = new UnitRunner(new ModelRuntime(_environment), KernelWidth.Default, TimeProvider.System);
        _model = _context.Add(Roles.Model, Model().ToBytes(), "float");
        _data = _context.Add(Roles.Data, Npy());
        int[] codes = [0, 7, 15, 8, 3, 9, 12, 1, 5];
        _result =
        [
            _context.Add("codes/0", Bytes(codes)), _context.Add("scales/0", Bytes<float>([0.1f, 0.15f, 0.07f])), _context.Add("zeros/0", Bytes<int>([8, 7, 6])),
        ];
    }

    public void Dispose()
    {
        _runner.Dispose();
        _environment.Dispose();
    }

    [Fact]
    public async Task Retuned_batch_norms_fold_into_codes_without_changing_an_output()
    {
        var corrections = await RetuneAsync();
        AppliedCorrection[] applied = [new(Correction.BatchNorm, s_norms)];
        var kept = await AssembleAsync(Assembly() with { Applied = applied }, corrections);
        var folded = await AssembleAsync(Assembly() with { Applied = applied, FoldsAfter = true }, corrections);

        Assert.Equal(2, kept.Graph.Nodes.Count(n => n.Is("BatchNormalization")));
        Assert.DoesNotContain(folded.Graph.Nodes, n => n.Is("BatchNormalization"));
        // The weight was shared; folded, each convolution has codes of its own.
        Assert.Equal(2, folded.Graph.Nodes.Count(n => n.Is("DequantizeLinear")));
        var (before, after) = (Run(kept), Run(folded));
        Assert.All(before.Zip(after), pair => Assert.Equal(pair.First, pair.Second, FoldTolerance));
        Assert.True(before.Max() > 0.5f);
    }

    [Fact]
    public async Task The_correction_says_how_far_each_batch_norm_moved()
    {
        await RetuneAsync();
        var metrics = _metrics!;

        Assert.Equal(s_norms.Select(n => n.Node), metrics.Corrections!.Select(c => c.Node));
        Assert.All(metrics.Corrections!, c => Assert.True(c.Shift > 0.01 && c.Scale is > 0 and < 10));
    }

    [Fact]
    public async Task Bias_correction_measures_the_draft_and_the_float_model()
    {
        var draft = await DraftAsync();
        SiteRef[] sites = [new("Conv", ChannelAxis.Second, Channels), new("Conv_1", ChannelAxis.Second, Channels)];
        await RunAsync(Moments(Correction.Bias, sites), _model, _data);
        var reference = _context.Add(Roles.Reference, _context.Bytes(Roles.Moments), "reference");
        await RunAsync(Moments(Correction.Bias, sites[..1]), draft, _data);
        var metrics = await RunAsync(new CorrectionSpec(Correction.Bias, sites[..1], sites), _context.Output(Roles.Moments), reference);

        Assert.True(Assert.Single(metrics.Corrections!).Shift > 0.01);
        var biases = _context.Values<double>(Roles.Corrections)[..Channels];
        AppliedCorrection[] applied = [new(Correction.Bias, sites[..1])];
        var corrected = await AssembleAsync(Assembly() with { Applied = applied }, _context.Add(Roles.Corrections, _context.Bytes(Roles.Corrections), "biases"));
        Assert.Equal(biases.Select(b => (float)b), corrected.Graph.Initializer(corrected.Graph.FindNode("Conv")!.Inputs[2])!.ReadFloats());
    }

    private async Task<UnitInput> RetuneAsync()
    {
        var draft = await DraftAsync();
        await RunAsync(Moments(Correction.BatchNorm, s_norms), draft, _data);
        _metrics = await RunAsync(new CorrectionSpec(Correction.BatchNorm, s_norms, []) { Updates = 100 }, draft, _context.Output(Roles.Moments));
        return _context.Add(Roles.Corrections, _context.Bytes(Roles.Corrections), "retuned");
    }

    private static MomentsSpec Moments(Correction kind, SiteRef[] sites) => new(kind, sites, [], 0, Samples, Batch, BatchNormMode.Keep, new Preprocess());

    private static AssembleSpec Assembly() => new([new AssembleLayer(s_layer, 4, QuantizationScheme.Asymmetric)], BatchNormMode.Keep);

    private async Task<UnitInput> DraftAsync()
    {
        await RunAsync(Assembly(), [_model, .. _result]);
        return _context.Add(Roles.Draft, _context.Bytes(Roles.Model), "the-draft");
    }

    private async Task<OnnxModel> AssembleAsync(AssembleSpec spec, UnitInput corrections)
    {
        await RunAsync(spec, [_model, .. _result, corrections]);
        return OnnxModel.Load(_context.Bytes(Roles.Model));
    }

    private Task<UnitMetrics> RunAsync(UnitSpec spec, params UnitInput[] inputs) => _runner.RunAsync(
        new WorkUnit { Id = "unit", Key = new string('0', 64), Kind = UnitKind.Statistics, Spec = spec, Inputs = inputs, Profile = "test", Cost = 1 },
        _context,
        CancellationToken.None);

    private float[] Run(OnnxModel model)
    {
        using var session = new ModelRuntime(_environment).Open(model);
        using var value = OrtValue.FromMemory<float>(Images(), [Samples, Channels, Pixels]);
        using var outputs = session.Run(["x"], [value], [session.Outputs[0].Name]);
        return outputs[0].AsSpan<float>().ToArray();
    }

    private static OnnxModel Model()
    {
        var builder = new GraphBuilder(13);
        var x = builder.Input("x", ElementType.Float32, -1, Channels, Pixels);
        var weight = builder.Constant(Tensor.FromFloats("w", [Channels, Channels, 1], [.. Enumerable.Range(0, Channels * Channels).Select(i => MathF.Sin(i + 1))]));
        for (var layer = 0; layer < 2; layer++)
        {
            x = builder.Add("Conv", [x, weight]);
            x = builder.Add("BatchNormalization", [x, Vector("gamma", 0.8f, -1.2f, 0.5f + layer), Vector("beta", 0.1f, 0.2f, -0.3f), Vector("mean", 0.2f, 0, -0.1f), Vector("var", 0.9f, 1.5f, 0.4f)]);
            x = builder.Add("Relu", [x]);
        }

        builder.Output(x);
        return builder.Build();

        string Vector(string name, params float[] values) => builder.Constant(Tensor.FromFloats(name, [Channels], values));
    }

    private static float[] Images() => [.. Enumerable.Range(0, Samples * Channels * Pixels).Select(i => MathF.Cos(i * 0.7f) * (1 + (i % 3)))];

    private static byte[] Npy()
    {
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Samples}, {Channels}, {Pixels}), }}".PadRight(117) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. System.Text.Encoding.ASCII.GetBytes(header), .. Bytes(Images())];
    }

    private static byte[] Bytes<T>(T[] values)
        where T : unmanaged => System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
