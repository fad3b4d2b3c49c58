using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>How layers are reconstructed once the steps before are done.</summary>
public sealed record ReconstructionPlan
{
    /// <summary>In forward order; together they hold every layer that has <see cref="LayerPlan.Reconstruct"/>.</summary>
    public required IReadOnlyList<GroupPlan> Groups { get; init; }

    public required ReconstructionInputs Inputs { get; init; }

    /// <summary>What is tuned, one after the other: weights, weights and then activations, or both at once.</summary>
    public required IReadOnlyList<ReconstructionPhase> Phases { get; init; }

    /// <summary>Of the first phase.</summary>
    public required ReconstructionParameters Parameters { get; init; }

    /// <summary>Of the second phase; null without one.</summary>
    public ReconstructionParameters? ActivationParameters { get; init; }

    /// <summary>How activations are quantized; null where they stay in float.</summary>
    public ActivationSpec? Activations { get; init; }

    /// <summary>The method's name in the recipe.</summary>
    public required string Method { get; init; }

    public ReconstructionParameters ParametersOf(ReconstructionPhase phase) => phase == ReconstructionPhase.Activations ? ActivationParameters! : Parameters;
}

/// <summary>Layers that are reconstructed together.</summary>
/// <param name="Layers">Indices, in plan order.</param>
/// <param name="Reason">Why it is smaller than the recipe asks for; null where it is not.</param>
public sealed record GroupPlan(string Name, Granularity Granularity, IReadOnlyList<int> Layers, string? Reason = null)
{
    /// <summary>Whether nothing that it computes is quantized, so that it has no step sizes to be tuned by themselves; null means no.</summary>
    public bool? LeavesFloat { get; init; }
}

/// <summary>A layer that is reconstructed.</summary>
/// <param name="Bits">Of its codes.</param>
/// <param name="StartsPruned">Zeros of its incoming weights are a mask to keep.</param>
public sealed record ReconstructedLayer(int Bits, QuantizationScheme Scheme, bool StartsPruned);
