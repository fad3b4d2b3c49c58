using Orchestrator.Fuzzing.Data;
using Orchestrator.Fuzzing.Onnx;
using Orchestrator.Fuzzing.Recipes;

namespace Orchestrator.Fuzzing;

internal static class Targets
{
    public static IReadOnlyList<IFuzzTarget> All { get; } = [new OnnxTarget(), new NpyTarget(), new NpzTarget(), new RecipeTarget()];

    /// <summary>How <paramref name="executions"/> are shared out: the larger a format, the more.</summary>
    public static IReadOnlyList<int> Shares(IReadOnlyList<IFuzzTarget> targets, int executions)
    {
        var weights = targets.Select(t => t.Name switch { "onnx" => 4, "recipe" => 3, "npz" => 2, _ => 1 }).ToList();
        return [.. weights.Select(w => (int)((long)executions * w / weights.Sum()))];
    }

    public static IReadOnlyList<IFuzzTarget> Named(string name) => name == "all" ? All : [.. All.Where(t => t.Name == name)];
}
