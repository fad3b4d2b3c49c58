using Orchestrator.Compression.Data;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Fuzzing.Data;

/// <summary>A lone array, as <c>orc solve</c> reads it.</summary>
internal sealed class NpyTarget : IFuzzTarget
{
    public string Name => "npy";

    public byte[] Mutate(byte[] input, byte[] other, Random random) => NpyMutations.Mutate(input, other, random);

    public string Run(byte[] input)
    {
        try
        {
            var array = NpyArray.Read(new MemoryStream(input, writable: false), input.Length, "array");
            if (array.Header.Type.IsFloat())
                array.ToDoubles();
            else
                array.ToLongs();
            array.ToFloats();
            return $"read {array.Header.Type} {array.Shape.Count}";
        }
        catch (InputException refused)
        {
            return Outcomes.Shape(refused.Message);
        }
    }
}

/// <summary>A data file, as a recipe names it: opened, checked to its last element, matched with a model's inputs.</summary>
internal sealed class NpzTarget : IFuzzTarget
{
    public string Name => "npz";

    public byte[] Mutate(byte[] input, byte[] other, Random random) => ZipMutations.Mutate(input, other, random);

    public string Run(byte[] input)
    {
        try
        {
            using var data = DataFile.FromMemory(input, "data");
            data.CheckFinite();
            data.Digest();
            var inputs = data.Arrays.Where(a => a.Key != DataFile.Labels)
                .Select(a => new ValueDescription(a.Key, ElementType.Float, a.Value.Shape, [])).ToArray();
            if (inputs.Length == 0)
                return "labels alone";
            var header = new DataHeader("data", new SourceBlob(SampleJobs.Digest('d'), input.Length), data.Outlines);
            var outline = SampleJobs.Outline(SampleJobs.Layer("layer")) with { Inputs = [.. data.Outlines.Where(o => o.Name != DataFile.Labels)] };
            var recipe = SampleJobs.Recipe(new ObqStep(4)) with { Data = new RecipeData { Calibration = new CalibrationData("data", null) } };
            Planner.Plan(new PlanRequest(recipe, outline, new SourceBlob(outline.Digest, outline.Bytes), header, null, SampleJobs.Profile));
            var set = DataSet.Match(data, inputs, new Preprocess { Scale = 0.5, Mean = [0.5], Std = [2] });
            return $"read {data.Outlines.Count} {set.HasLabels}";
        }
        catch (InputException refused)
        {
            return Outcomes.Shape(refused.Message);
        }
    }
}
