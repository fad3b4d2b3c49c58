using System.Collections.Immutable;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Jobs.Machines;

public enum JobStatus
{
    Planned = 1,
    Running = 2,
    Succeeded = 3,
    GoalMissed = 4,
    Cancelled = 5,
    Failed = 6,

    /// <summary>The process stopped; everything committed is kept and the job goes on when it is started again.</summary>
    Interrupted = 7,
}

/// <summary>How far a job is. In memory only: it is made anew from the commits at every start.</summary>
public sealed record ModelState
{
    public JobStatus Status { get; init; } = JobStatus.Planned;

    /// <summary>Layers of each statistics group.</summary>
    public required ImmutableArray<ImmutableArray<int>> Groups { get; init; }

    public ImmutableSortedSet<int> RunningGroups { get; init; } = [];
    public ImmutableSortedSet<int> RunningLayers { get; init; } = [];
    public ImmutableSortedSet<int> SolvedLayers { get; init; } = [];

    /// <summary>Layers that ended without a result: left as they were.</summary>
    public ImmutableSortedSet<int> FailedLayers { get; init; } = [];

    /// <summary>Running layers that wait for their group's statistics to be repaired.</summary>
    public ImmutableSortedSet<int> StarvedLayers { get; init; } = [];

    /// <summary>Layers that are reconstructed after whatever steps they have; empty where the plan reconstructs nothing.</summary>
    public ImmutableSortedSet<int> ToReconstruct { get; init; } = [];

    public bool ReconstructionRunning { get; init; }
    public bool ReconstructionEnded { get; init; }

    /// <summary>Layers that came out of it.</summary>
    public ImmutableSortedSet<int> ReconstructedLayers { get; init; } = [];

    public bool BaselineEnded { get; init; }
    public bool ResultRunning { get; init; }
    public bool ResultEnded { get; init; }

    /// <summary>What went wrong, first things first.</summary>
    public ImmutableArray<string> Failures { get; init; } = [];

    public bool HasEnded => Status is not (JobStatus.Planned or JobStatus.Running);

    /// <summary>Layers with a result for the written model.</summary>
    public ImmutableSortedSet<int> ResultLayers => SolvedLayers.Except(ToReconstruct).Union(ReconstructedLayers);

    /// <summary>Whether a layer is reconstructed whose own steps, if it has any, are done.</summary>
    public bool CanReconstruct => ToReconstruct.Any(l => SolvedLayers.Contains(l) || !Groups.Any(g => g.Contains(l)));

    public static ModelState Create(JobPlan plan) => new()
    {
        Groups = [.. plan.StatisticsGroups.Select(g => g.ToImmutableArray())],
        ToReconstruct = plan.Reconstruction is null ? [] : [.. plan.Reconstruction.Groups.SelectMany(g => g.Layers)],
    };
}
