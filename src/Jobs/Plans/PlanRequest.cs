using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Plans;

/// <summary>All that planning looks at.</summary>
/// <param name="Model">The model as one blob.</param>
/// <param name="Profile">Numeric profile that the job is pinned to.</param>
public sealed record PlanRequest(Recipe Recipe, ModelOutline Outline, SourceBlob Model, DataHeader Calibration, DataHeader? Evaluation, string Profile);
