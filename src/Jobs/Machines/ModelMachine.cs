using System.Collections.Immutable;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Jobs.Machines;

/// <summary>
/// A job's decisions: statistics by group, each group's layers as soon as its statistics are there, the float model's metric beside
/// them, the reconstruction when every layer has ended, and then the result. A layer that fails is left as it was and the rest goes on: every end is a result.
/// </summary>
public static class ModelMachine
{
    public static ModelStep Step(ModelState state, ModelEvent happened)
    {
        if (state.HasEnded)
            return new ModelStep(state, []);
        return happened switch
        {
            ModelEvent.Started when state.Status == JobStatus.Planned => Start(state),
            ModelEvent.BaselineEnded e => Settle(Note(state with { BaselineEnded = true }, "The float model could not be evaluated", e.Failure), []),
            ModelEvent.StatisticsEnded e when state.RunningGroups.Contains(e.Group) => StatisticsEnded(state, e),
            ModelEvent.StatisticsDamaged e => new ModelStep(state with { RunningGroups = state.RunningGroups.Add(e.Group) }, []),
            ModelEvent.LayerEnded e when state.RunningLayers.Contains(e.Layer) => LayerEnded(state, e),
            ModelEvent.LayerStarved e when state.RunningLayers.Contains(e.Layer) => LayerStarved(state, e.Layer),
            ModelEvent.ReconstructionEnded e when state.ReconstructionRunning => Settle(
                Note(
                    state with { ReconstructionRunning = false, ReconstructionEnded = true, ReconstructedLayers = [.. e.Layers], FailedLayers = state.FailedLayers.Union(state.ToReconstruct.Except(e.Layers)) },
                    "Not all layers could be reconstructed", e.Failure),
                []),
            ModelEvent.ReconstructionStarved e when state.ReconstructionRunning => Starved(state with { ReconstructionRunning = false }, e.Layer),
            ModelEvent.ReconstructionDamaged when state.ResultRunning => new ModelStep(state with { ResultRunning = false, ReconstructionRunning = true }, []),
            ModelEvent.ResultStarved e when state.ResultRunning => Starved(state with { ResultRunning = false }, e.Layer),
            ModelEvent.ResultEnded e when state.ResultRunning =>
                Settle(Note(state with { ResultRunning = false, ResultEnded = true }, "The result could not be completed", e.Failure), []),
            // What the store cannot tell now it tells later: the job goes on when it is started again.
            ModelEvent.StoreFailed e => End(
                Note(state, "The store failed", new Failure("store-failed", e.Reason, Retryable: true)), JobStatus.Failed, e.Reason, [new ModelEffect.StopAll()], isRecorded: false),
            ModelEvent.Faulted e => End(state, JobStatus.Failed, e.Reason, [new ModelEffect.StopAll()]),
            ModelEvent.StopAsked e => End(state, e.Resumable ? JobStatus.Interrupted : JobStatus.Cancelled, e.Reason, [new ModelEffect.StopAll()], !e.Resumable),
            _ => new ModelStep(state, []),
        };
    }

    private static ModelStep Start(ModelState state)
    {
        var effects = ImmutableArray.CreateBuilder<ModelEffect>();
        for (var group = 0; group < state.Groups.Length; group++)
            effects.Add(new ModelEffect.StartStatistics(group));
        effects.Add(new ModelEffect.StartBaseline());
        var running = Enumerable.Range(0, state.Groups.Length).ToImmutableSortedSet();
        // Where no layer has steps there is nothing to wait for.
        return Settle(state with { Status = JobStatus.Running, RunningGroups = running }, effects.ToImmutable());
    }

    private static ModelStep StatisticsEnded(ModelState state, ModelEvent.StatisticsEnded e)
    {
        var layers = state.Groups[e.Group];
        state = state with { RunningGroups = state.RunningGroups.Remove(e.Group) };
        if (e.Failure is { } failure)
        {
            var lost = layers.Where(l => !state.SolvedLayers.Contains(l)).ToArray();
            state = state with
            {
                FailedLayers = state.FailedLayers.Union(lost),
                RunningLayers = state.RunningLayers.Except(lost),
                StarvedLayers = state.StarvedLayers.Except(lost),
            };
            return Settle(Note(state, "Statistics could not be gathered", failure), []);
        }

        // On the first time all layers of the group start; after a repair only those that wait for it.
        var start = layers.Where(l => state.StarvedLayers.Contains(l) || !IsKnown(state, l)).ToArray();
        return new ModelStep(
            state with { RunningLayers = state.RunningLayers.Union(start), StarvedLayers = state.StarvedLayers.Except(start) },
            [.. start.Select(l => new ModelEffect.StartLayer(l))]);
    }

    private static ModelStep LayerEnded(ModelState state, ModelEvent.LayerEnded e)
    {
        state = state with { RunningLayers = state.RunningLayers.Remove(e.Layer), StarvedLayers = state.StarvedLayers.Remove(e.Layer) };
        state = e.Failure is null
            ? state with { SolvedLayers = state.SolvedLayers.Add(e.Layer) }
            : Note(state with { FailedLayers = state.FailedLayers.Add(e.Layer) }, "A layer was left as it was", e.Failure);
        return Settle(state, []);
    }

    private static ModelStep LayerStarved(ModelState state, int layer)
    {
        var group = Enumerable.Range(0, state.Groups.Length).First(g => state.Groups[g].Contains(layer));
        return state.RunningGroups.Contains(group)
            ? new ModelStep(state with { StarvedLayers = state.StarvedLayers.Add(layer) }, [])
            : new ModelStep(state, [new ModelEffect.StartLayer(layer)]);
    }

    private static ModelStep Starved(ModelState state, int? layer)
    {
        if (layer is not { } damaged)
            return Settle(state, []);
        return new ModelStep(
            state with { SolvedLayers = state.SolvedLayers.Remove(damaged), RunningLayers = state.RunningLayers.Add(damaged) },
            [new ModelEffect.RepairLayer(damaged)]);
    }

    /// <summary>What follows when something has ended: the result once all layers have, the end once the result has.</summary>
    private static ModelStep Settle(ModelState state, ImmutableArray<ModelEffect> effects)
    {
        if (state.RunningGroups.Count > 0 || state.RunningLayers.Count > 0 || state.ReconstructionRunning || state.ResultRunning)
            return new ModelStep(state, effects);
        if (!state.ReconstructionEnded && state.CanReconstruct)
            return new ModelStep(state with { ReconstructionRunning = true }, [.. effects, new ModelEffect.StartReconstruction([.. state.SolvedLayers])]);
        if (state.ResultLayers.Count == 0)
            return End(state, JobStatus.Failed, Reason(state), [.. effects, new ModelEffect.StopAll()]);
        if (!state.ResultEnded)
            return new ModelStep(state with { ResultRunning = true }, [.. effects, new ModelEffect.StartResult([.. state.ResultLayers])]);
        if (!state.BaselineEnded)
            return new ModelStep(state, effects);
        return End(state, state.Failures.Length == 0 ? JobStatus.Succeeded : JobStatus.Failed, Reason(state), effects);
    }

    private static ModelStep End(ModelState state, JobStatus status, string? reason, ImmutableArray<ModelEffect> effects, bool isRecorded = true) =>
        new(state with { Status = status }, [.. effects, new ModelEffect.Conclude(status, reason, isRecorded)]);

    private static string? Reason(ModelState state) => state.Failures.Length switch
    {
        0 => null,
        1 => state.Failures[0],
        _ => $"{state.Failures[0]} (and {state.Failures.Length - 1} more)",
    };

    private static ModelState Note(ModelState state, string what, Failure? failure) =>
        failure is null ? state : state with { Failures = state.Failures.Add($"{what}: {failure.Message}") };

    private static bool IsKnown(ModelState state, int layer) =>
        state.RunningLayers.Contains(layer) || state.SolvedLayers.Contains(layer) || state.FailedLayers.Contains(layer);
}
