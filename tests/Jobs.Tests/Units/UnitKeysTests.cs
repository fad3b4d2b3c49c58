using System.Text;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Units;

/// <summary>Keys are a stored format: a commit written today must be found by tomorrow's program. A change here throws every store's commits away.</summary>
public sealed class UnitKeysTests
{
    private static readonly LayerShape s_shape = new(64, 72, 1, 9);

    private static readonly UnitInput[] s_inputs =
    [
        new(Roles.Weights, new BlobRef("local/x", SampleJobs.Digest('1'), 10)),
        new(Roles.Hessian, new BlobRef("local/y", SampleJobs.Digest('2'), 20)),
    ];

    private static readonly CompressStepSpec s_obq = new() { Method = "obq", Damping = 1e-4, Bits = 4, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric };

    private static readonly GroupSpec s_group = new("block", [new GroupLayer(new LayerRef("/conv", 3), 2, StartsPruned: false, IsGiven: true)]);

    private static readonly ReconstructionParameters s_reconstruction = new()
    {
        Iterations = 20_000, Batch = 32, Rate = 1e-3, Seed = 0, Loss = ReconstructionLoss.Mse, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, Damping = 1e-4,
        Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
    };

    private static readonly SiteRef s_site = new("/norm", ChannelAxis.Second, 64);

    private static readonly RowsSpec s_rows = new(s_shape, s_obq, RowsPhase.Solve, 0, 64, StartsPruned: true);

    [Fact]
    public void The_hashed_document_is_pinned_byte_for_byte()
    {
        var document = CanonicalJson.Serialize(UnitKeys.Document(UnitKind.Rows, s_rows, s_inputs, "p"));

        Assert.Equal(
            """
            {"inputs":[{"role":"weights","sha256":"1111111111111111111111111111111111111111111111111111111111111111"},
            {"role":"hessian","sha256":"2222222222222222222222222222222222222222222222222222222222222222"}],"kind":"rows","profile":"p",
            "schema":1,"spec":{"firstRow":0,"layer":{"columns":72,"groups":1,"kernelPositions":9,"rows":64},"methodVersion":1,"phase":"solve",
            "rows":64,"startsPruned":true,"step":{"bits":4,"damping":0.0001,"grid":"mse","method":"obq","scheme":"asymmetric"},"type":"rows",
            "weightsFirstRow":0}}
            """.ReplaceLineEndings(""),
            Encoding.UTF8.GetString(document));
    }

    public static TheoryData<string, UnitKind, UnitSpec> Golden => new()
    {
        { "d1660db5c73842e91cb50e0b82a6d00494f776480c11d6eb8b7b777516177f69", UnitKind.Outline, new OutlineSpec(BatchNormMode.Fold) },
        { "6e4fe5f270d30e5cc0763ec1d8e1478d8cdf4599408ca74903942f8468e1dbd0", UnitKind.Statistics, new GramSpec([new LayerRef("/conv", 3)], 256, 256, 64, BatchNormMode.Fold, new Preprocess { Scale = 1 / 255.0, Mean = [0.286], Std = [0.353] }) },
        { "3e307be9cb46fd36888a84793613c33a193e801f0998dd84fc1f64446d95f88f", UnitKind.Statistics, new HessianSpec(new LayerRef("/conv", 3), 1_024, BatchNormMode.Keep) },
        { "5039f8f0e2d68e7ceae871dabf59650ca2cfbc86a65aa387c804fd90c4e4994d", UnitKind.Statistics, new InverseSpec(new LayerRef("/conv", 3), 1, 72, 1e-4) },
        { "9866e742d6b4c416d4e60e2bd3ea18d251606f7454b5b9c103393482028ecca9", UnitKind.Rows, s_rows },
        { "f332cf626fddab906d8a6862d3886e3f734b389631a6b14a0e9223c5b89325f0", UnitKind.Select, new SelectSpec(s_shape, 4, 0.5, MaskSelection.Heap) },
        { "8a2686f61cde90561c5afbeb7ca5fc0df569b48b2b2fec80ea1de863011666f6", UnitKind.Assemble, new AssembleSpec([new AssembleLayer(new LayerRef("/conv", 3), 4, QuantizationScheme.Symmetric)], BatchNormMode.Fold) },
        { "a144a95d962bed308e690bcb485d2716c22ac83d6497435d5bc7bbd1ee4338a6", UnitKind.Evaluate, new EvaluateSpec("top1", 0, 2_500, 250, new Preprocess(), Latency: false) },
        { "021f3ce588adcd55895c85c3666bdf34e751ad4ff7ef7dfd237b87ba551f339b", UnitKind.Statistics, new MomentsSpec(Correction.BatchNorm, [s_site], [], 0, 256, 128, BatchNormMode.Keep, new Preprocess()) },
        { "c908f56f360f85bc5b66ef59ecf3a7006350f773c1ffbfc625bd9077bb5115da", UnitKind.Statistics, new CorrectionSpec(Correction.Bias, [s_site], [s_site]) },
        { "bc0d2711a361fa5f7a525f2f8b6049689e72c2bf3994434e59e1819f07de6f13", UnitKind.Assemble, new AssembleSpec([], BatchNormMode.Keep) { Applied = [new AppliedCorrection(Correction.BatchNorm, [s_site])], FoldsAfter = true } },
        { "a00380a3dd9f11f8466082ca18291006a36ff62d20b5e3b189498d047bec636a", UnitKind.Evaluate, new CompareSpec([new LayerRef("/conv", 3)], 0, 64, 64, BatchNormMode.Fold, new Preprocess()) },
        { "27b3a122db30cd3a154924bb1a3f38a834faffbff3c37d700bf5cfdd0e8c6f24", UnitKind.Statistics, new CaptureSpec(s_group, [new LayerRef("/stem", 0)], 256, 256, 64, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess()) },
        { "c556f01cf978fba8d7334db01cc3779d6db326b52ec08a04437c2b2f0c750546", UnitKind.Reconstruct, new ReconstructSpec(s_group, ReconstructionPhase.Weights, s_reconstruction, 1_024, 64, BatchNormMode.Fold, new Preprocess()) },
        { "d4668a9f2653783855ecb32abd55bd6a0e24087bc2c992ab121bbc5188c75d33", UnitKind.Statistics, new StepSizesSpec([new LayerRef("/stem", 0)], new ActivationSpec(4, [new LayerRef("/stem", 0)]), 64, 32, BatchNormMode.Fold, new Preprocess()) },
    };

    [Theory]
    [MemberData(nameof(Golden))]
    public void Keys_are_pinned(string key, UnitKind kind, UnitSpec spec) => Assert.Equal(key, UnitKeys.Compute(kind, spec, s_inputs, "cpu-avx2-1.30"));

    [Fact]
    public void Everything_that_decides_the_result_takes_part()
    {
        var keys = new List<string>
        {
            UnitKeys.Compute(UnitKind.Rows, s_rows, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows, s_inputs, "q"),
            UnitKeys.Compute(UnitKind.Rows, s_rows, [s_inputs[1], s_inputs[0]], "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows, [s_inputs[0]], "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { FirstRow = 1 }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { WeightsFirstRow = 1 }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { StartsPruned = false }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { Phase = RowsPhase.Trace }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { Step = s_obq with { Damping = 2e-4 } }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { Step = s_obq with { Grid = GridKind.MinMax } }, s_inputs, "p"),
            UnitKeys.Compute(UnitKind.Rows, s_rows with { Layer = s_shape with { Groups = 2 } }, s_inputs, "p"),
        };

        Assert.Equal(keys.Count, keys.Distinct().Count());
    }

    [Fact]
    public void Where_a_blob_lies_takes_no_part()
    {
        var elsewhere = s_inputs.Select(i => i with { Blob = i.Blob with { Name = "other/name", Length = 99 } }).ToArray();

        Assert.Equal(UnitKeys.Compute(UnitKind.Rows, s_rows, s_inputs, "p"), UnitKeys.Compute(UnitKind.Rows, s_rows, elsewhere, "p"));
    }
}
