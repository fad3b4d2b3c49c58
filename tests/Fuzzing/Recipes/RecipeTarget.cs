using System.Text;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Fuzzing.Recipes;

/// <summary>A recipe's text, read and planned for a small model.</summary>
internal sealed class RecipeTarget : IFuzzTarget
{
    private static readonly Jobs.Outlines.ModelOutline s_outline = SampleJobs.Outline(
        SampleJobs.Layer("/stem/conv", 8, 9), SampleJobs.Layer("/body/conv", 16, 72), SampleJobs.Layer("/fc/Gemm", 10, 16, kernel: 1, block: "b1"));

    public string Name => "recipe";

    public byte[] Mutate(byte[] input, byte[] other, Random random) => RecipeMutations.Mutate(input, other, random);

    public string Run(byte[] input)
    {
        try
        {
            var recipe = RecipeReader.Read(Encoding.UTF8.GetString(input));
            var request = new PlanRequest(
                recipe, s_outline, new SourceBlob(s_outline.Digest, s_outline.Bytes), SampleJobs.Data("c.npz", 'c', 600, labels: false),
                recipe.Data.Evaluation is null ? null : SampleJobs.Data("e.npz", 'e', 100, labels: true), SampleJobs.Profile);
            var plan = Planner.Plan(request);
            plan.ComputeJobId();
            return $"planned {string.Join(',', plan.Layers.Select(l => l.Steps.Count))}";
        }
        catch (InputException refused)
        {
            return $"{refused.Code}: {string.Join(';', refused.Message.Split('\n').Take(6).Select(Outcomes.Shape))}";
        }
    }
}
