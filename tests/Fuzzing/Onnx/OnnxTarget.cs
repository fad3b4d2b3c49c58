using System.Text.Json;
using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Fuzzing.Onnx;

/// <summary>A model's way through a job up to the runtime: read, outline, plan, calibration graph, weights out and in, written and read again.</summary>
internal sealed class OnnxTarget : IFuzzTarget
{
    private const int Samples = 8;
    private const int Bits = 4;

    public string Name => "onnx";

    public byte[] Mutate(byte[] input, byte[] other, Random random) => OnnxMutations.Mutate(input, other, random);

    public string Run(byte[] input)
    {
        OnnxModel model;
        try
        {
            model = ModelPreparation.Load(input, "model");
        }
        catch (InputException refused)
        {
            return $"refused: {Outcomes.Shape(refused.Message)}";
        }
        var mode = input.Length % 2 == 0 ? BatchNormMode.Fold : BatchNormMode.Keep;
        var outline = ModelOutlines.Of(model, SampleJobs.Digest('a'), input.Length, mode);
        JsonSerializer.SerializeToUtf8Bytes(outline, JsonSerializerOptions.Web);
        var prepared = ModelPreparation.Prepare(model.Clone(), mode);
        return $"{Features(outline)}; {Plan(outline)}; {Calibrate(prepared)}; {Rewrite(prepared)}";
    }

    private static string Features(ModelOutline outline) =>
        $"read: {string.Join(',', outline.Layers.Select(l => l.OpType).Distinct())}, {outline.Blocks.Count > 1}, "
        + $"{string.Join(',', outline.Unsupported.Select(u => Outcomes.Shape(u.Reason)).Distinct())}";

    private static string Plan(ModelOutline outline)
    {
        var arrays = outline.Inputs.Select(i => i with { Shape = [Samples, .. i.Shape.Skip(1).Select(d => d < 0 ? 1 : d)] }).ToArray();
        var data = new DataHeader("data.npz", new SourceBlob(SampleJobs.Digest('b'), 1), arrays);
        var recipe = SampleJobs.Recipe(new NmStep(2, 4), new ObqStep(Bits)) with
        {
            Data = new RecipeData { Calibration = new CalibrationData("data.npz", null) },
        };
        try
        {
            var plan = Planner.Plan(new PlanRequest(recipe, outline, new SourceBlob(outline.Digest, outline.Bytes), data, null, SampleJobs.Profile));
            plan.ComputeJobId();
            PlanUnits.Totals(plan);
            return "planned";
        }
        catch (InputException refused)
        {
            return refused.Code;
        }
    }

    private static string Calibrate(OnnxModel prepared)
    {
        var partition = ModelPartition.Of(prepared);
        if (partition.Layers.Count == 0)
            return "no layer";
        try
        {
            GramGraph.Build(prepared, partition, partition.Layers.Select(l => l.Name)).Model.ToBytes();
            return "calibrated";
        }
        catch (InputException refused)
        {
            return refused.Code;
        }
    }

    /// <summary>Every second layer is written back as it is, the others as codes; the result must be a model again.</summary>
    private static string Rewrite(OnnxModel prepared)
    {
        var outcomes = new List<string>();
        foreach (var (layer, index) in ModelPartition.Of(prepared).Layers.Select((l, i) => (l, i)).ToList())
        {
            var weights = LayerMatrix.Read(layer);
            if (index % 2 == 0)
            {
                LayerMatrix.Write(layer, weights);
                continue;
            }
            var scales = Enumerable.Repeat(0.5f, layer.Rows).ToArray();
            var export = QuantizedWeights.Apply(prepared, layer, new int[weights.Length], scales, new int[layer.Rows], Bits);
            outcomes.Add(Outcomes.Shape(export.Reason ?? export.StoredAs.ToString()));
        }
        ModelPreparation.Load(prepared.ToBytes(), "written");
        return $"written {string.Join(',', outcomes.Distinct())}";
    }
}
