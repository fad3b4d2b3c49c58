using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>Which layers a recipe's <c>adaround</c> or <c>brecq</c> step reconstructs together, and how.</summary>
internal static class ReconstructionPlanner
{
    /// <summary>Bits of the first and the last layer, weights and activations, unless the recipe says otherwise.</summary>
    public const int EightBits = 8;

    /// <returns>Null where the recipe reconstructs nothing.</returns>
    /// <exception cref="InputException">The recipe asks for what cannot be reconstructed.</exception>
    public static ReconstructionPlan? Plan(Recipe recipe, ModelOutline outline, IReadOnlyList<LayerPlan> layers, int samples, int? fixedBatch)
    {
        if (recipe.Compress.OfType<ReconstructStep>().FirstOrDefault() is not { } step || layers.All(l => l.Reconstruct is null))
            return null;
        Check(recipe, step, samples, fixedBatch);
        var activations = step.ActivationBits == ReconstructStep.FloatBits ? null : Activations(recipe, step, layers);
        var isJoint = step.Activations == ActivationTuning.Joint;
        var groups = Groups(step.Granularity, outline, layers);
        return new ReconstructionPlan
        {
            Method = step.Method,
            Groups = activations is null || isJoint ? groups : [.. groups.Select(g => g with { LeavesFloat = LeavesFloat(g, outline, layers) })],
            Inputs = step.Inputs,
            Phases = activations is null ? [ReconstructionPhase.Weights] : isJoint ? [ReconstructionPhase.Joint] : [ReconstructionPhase.Weights, ReconstructionPhase.Activations],
            Activations = activations,
            Parameters = Parameters(step, recipe.Seed, tunesActivations: activations is not null && isJoint),
            ActivationParameters = activations is null || isJoint ? null : new ReconstructionParameters
            {
                Iterations = step.ActivationIterations,
                Batch = step.Batch,
                Rate = step.ActivationRate,
                Seed = recipe.Seed,
                Loss = step.Loss,
            },
        };
    }

    /// <summary>Whether the first layer keeps its nearest codes of 8 bits and the last one has 8, as in the original.</summary>
    public static bool HasEight(Recipe recipe) =>
        recipe.FirstLastBits == FirstLastBits.Eight || (recipe.FirstLastBits is null && recipe.Compress.Any(s => s is ReconstructStep));

    private static void Check(Recipe recipe, ReconstructStep step, int samples, int? fixedBatch)
    {
        if (recipe.BatchNorm != BatchNormMode.Fold)
        {
            throw new InputException(
                "reconstruction-unfolded", "batch_norm", $"'{step.Method}' reconstructs layers with their batch norms folded, and the recipe keeps them.",
                "Use batch_norm: fold, or leave the key out.");
        }

        if (samples < step.Batch)
        {
            throw new InputException(
                "too-few-samples", "data.calibration", $"A step of '{step.Method}' takes {step.Batch} samples, and there are {samples}.",
                "Give more calibration samples (about a thousand), or a smaller batch.");
        }

        if (fixedBatch is { } batch && batch != 1 && step.Batch % batch != 0)
        {
            throw new InputException(
                "batch-remainder", "compress", $"The model only takes batches of {batch}, and the {step.Batch} samples of a step of '{step.Method}' are no multiple of it.",
                "Use a multiple, or export the model with an open batch dimension.");
        }
    }

    private static ActivationSpec Activations(Recipe recipe, ReconstructStep step, IReadOnlyList<LayerPlan> layers) =>
        new(step.ActivationBits, HasEight(recipe) ? [.. new[] { layers[0], layers[^1] }.DistinctBy(l => l.Index).Select(l => l.Ref())] : []);

    private static ReconstructionParameters Parameters(ReconstructStep step, long seed, bool tunesActivations) => new()
    {
        Iterations = step.Iterations,
        Batch = step.Batch,
        Rate = step.Rate,
        Seed = seed,
        Loss = step.Loss,
        Grid = step.Grid,
        Scheme = step.Scheme,
        Damping = step.Damping,
        Lambda = step.Lambda,
        FirstBeta = step.FirstBeta,
        LastBeta = step.LastBeta,
        Warmup = step.Warmup,
        ActivationRate = tunesActivations ? step.ActivationRate : null,
        Drop = tunesActivations ? step.Drop : null,
    };

    private static List<GroupPlan> Groups(Granularity granularity, ModelOutline outline, IReadOnlyList<LayerPlan> layers)
    {
        var groups = new List<GroupPlan>();
        var open = new List<BlockOutline>();
        var byName = layers.ToDictionary(l => l.Name);
        foreach (var block in outline.Blocks)
        {
            if (granularity != Granularity.Layer && block.Obstacle is null)
            {
                if (open.Count > 0 && !GoTogether(granularity, open[^1], block, byName))
                    Close();
                open.Add(block);
                continue;
            }

            Close();
            var reason = granularity == Granularity.Layer ? null : $"layer by layer instead of by {granularity.ToString().ToLowerInvariant()}: {block.Obstacle}";
            foreach (var layer in LayersOf([block]))
                groups.Add(new GroupPlan(layers[layer].Name, Granularity.Layer, [layer], reason));
        }

        Close();
        return [.. groups.OrderBy(g => g.Layers[0])];

        void Close()
        {
            if (LayersOf(open) is { Count: > 0 } members)
                groups.Add(new GroupPlan(NameOf(granularity, [.. open.Where(b => LayersOf([b]).Count > 0)], layers, members), members.Count == 1 ? Granularity.Layer : granularity, members));
            open.Clear();
        }

        List<int> LayersOf(IEnumerable<BlockOutline> blocks) =>
            [.. blocks.SelectMany(b => b.Layers).Select(name => byName[name]).Where(l => l.Reconstruct is not null).Select(l => l.Index).Order()];
    }

    /// <summary>Several layers have something quantized between them.</summary>
    private static bool? LeavesFloat(GroupPlan group, ModelOutline outline, IReadOnlyList<LayerPlan> layers) =>
        group.Layers is [var only] && outline.Layers.Any(l => l.LeavesFloat && l.Name == layers[only].Name) ? true : null;

    private static bool GoTogether(Granularity granularity, BlockOutline earlier, BlockOutline block, Dictionary<string, LayerPlan> byName) => granularity switch
    {
        Granularity.Net => true,
        Granularity.Stage => byName[earlier.Layers[^1]].Positions == byName[block.Layers[^1]].Positions,
        _ => false,
    };

    private static string NameOf(Granularity granularity, List<BlockOutline> blocks, IReadOnlyList<LayerPlan> layers, List<int> members) => granularity switch
    {
        _ when members.Count == 1 => layers[members[0]].Name,
        Granularity.Net => "net",
        Granularity.Stage when blocks.Count > 1 => $"{blocks[0].Name} to {blocks[^1].Name}",
        _ => blocks[0].Name,
    };
}
