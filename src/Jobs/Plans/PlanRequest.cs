using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Plans;

/// <summary>All that planning looks at.</summary>
/// <param name="Model">The model as one blob.</param>
/// <param name="Profile">Numeric profile that the job is pinned to.</param>
public sealed record PlanRequest(Recipe Recipe, ModelOutline Outline, SourceBlob Model, DataHeader Calibration, DataHeader? Evaluation, string Profile)
{
    /// <summary>Weights that lie in blobs of their own, in the model's order; null where the model's blob holds them all.</summary>
    public IReadOnlyList<SourceBlob>? ModelTensors { get; init; }
}
