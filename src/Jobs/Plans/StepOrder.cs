using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Plans;

/// <summary>Which steps may follow which.</summary>
internal static class StepOrder
{
    /// <exception cref="InputException">A step follows one that put the weights on a grid: whatever it does would take them off again.</exception>
    public static void Check(Recipe recipe)
    {
        for (var i = 0; i < recipe.Compress.Count - 1; i++)
        {
            if (!recipe.Compress[i].Quantizes)
                continue;
            throw new InputException(
                "step-after-quantization",
                $"compress[{i + 1}]",
                $"'{recipe.Compress[i + 1].Method}' comes after '{recipe.Compress[i].Method}', but quantization must be the last step.",
                "Put pruning steps first and keep one quantizing step at the end.");
        }
    }
}
