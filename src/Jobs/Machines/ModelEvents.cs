using System.Collections.Immutable;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Jobs.Machines;

/// <summary>What can happen to a job. A closed set.</summary>
public abstract record ModelEvent
{
    private ModelEvent()
    {
    }

    public sealed record Started : ModelEvent;

    /// <param name="Failure">Null when the float model's metric is known.</param>
    public sealed record BaselineEnded(Failure? Failure) : ModelEvent;

    /// <param name="Failure">Null when the group's statistics are committed.</param>
    public sealed record StatisticsEnded(int Group, Failure? Failure) : ModelEvent;

    /// <summary>A statistics blob is damaged; the group's pipeline went back to make it again.</summary>
    public sealed record StatisticsDamaged(int Group) : ModelEvent;

    /// <param name="Failure">Null when the layer's result is committed.</param>
    public sealed record LayerEnded(int Layer, Failure? Failure) : ModelEvent;

    /// <summary>A layer waits for its statistics again.</summary>
    public sealed record LayerStarved(int Layer) : ModelEvent;

    /// <param name="Layers">Layers that came out of it.</param>
    /// <param name="Failure">Null when all of them did.</param>
    public sealed record ReconstructionEnded(ImmutableArray<int> Layers, Failure? Failure) : ModelEvent;

    /// <summary>The reconstruction waits for a layer's result again.</summary>
    /// <param name="Layer">Null where the layer has been repaired since.</param>
    public sealed record ReconstructionStarved(int? Layer) : ModelEvent;

    /// <summary>A result blob of the reconstruction is damaged; it went back to make it again, and writing the model waits.</summary>
    public sealed record ReconstructionDamaged : ModelEvent;

    /// <summary>Writing the model waits for a layer's result again.</summary>
    /// <param name="Layer">Null where the layer has been repaired since.</param>
    public sealed record ResultStarved(int? Layer) : ModelEvent;

    /// <param name="Failure">Null when the model is written and checked.</param>
    public sealed record ResultEnded(Failure? Failure) : ModelEvent;

    /// <summary>Commits can no longer be read or written.</summary>
    public sealed record StoreFailed(string Reason) : ModelEvent;

    /// <summary>Something that no retry cures went wrong beside the job.</summary>
    public sealed record Faulted(string Reason) : ModelEvent;

    /// <summary>The user wants it to end.</summary>
    /// <param name="Resumable">The process stops, the job goes on later; otherwise the job is over.</param>
    public sealed record StopAsked(string Reason, bool Resumable) : ModelEvent;
}

/// <summary>What the model's owner has to do. A closed set.</summary>
public abstract record ModelEffect
{
    private ModelEffect()
    {
    }

    public sealed record StartBaseline : ModelEffect;

    public sealed record StartStatistics(int Group) : ModelEffect;

    /// <summary>Start the layer or feed it repaired statistics.</summary>
    public sealed record StartLayer(int Layer) : ModelEffect;

    /// <summary>Have the layer make the damaged blob again.</summary>
    public sealed record RepairLayer(int Layer) : ModelEffect;

    /// <summary>Reconstruct what follows from these layers, which have results of their own.</summary>
    public sealed record StartReconstruction(ImmutableArray<int> Layers) : ModelEffect;

    /// <summary>Write and check the model from these layers.</summary>
    public sealed record StartResult(ImmutableArray<int> Layers) : ModelEffect;

    /// <summary>Stop everything under it; nothing may be committed after.</summary>
    public sealed record StopAll : ModelEffect;

    /// <param name="IsRecorded">Whether the end is the job's; otherwise only this run of it is over.</param>
    public sealed record Conclude(JobStatus Status, string? Reason, bool IsRecorded) : ModelEffect;
}

public readonly record struct ModelStep(ModelState State, ImmutableArray<ModelEffect> Effects);
