using Orchestrator.Grains.Abstractions;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Grains.Pipelines;

/// <summary>Failed attempts by unit, kept across restarts so that a unit that kills its process is not tried for ever. The only thing about units that commits cannot tell.</summary>
internal sealed class AttemptLedger(IGrainHost host, int generation, int run)
{
    /// <param name="isOpen">Whether a unit is in work; units that are not are committed, and what is told of them is dropped, so that the state stays small.</param>
    /// <returns>Failed attempts of the unit in this run, this one last.</returns>
    public async Task<IReadOnlyList<FailedAttempt>> AddAsync(string unit, FailedAttempt attempt, Func<string, bool> isOpen, CancellationToken cancellationToken)
    {
        var state = await host.UpdateStateAsync<AttemptState>(
            old =>
            {
                var failed = old is not null && old.Generation == generation && old.Run == run ? old.Attempts ?? [] : [];
                var kept = failed.Where(f => isOpen(f.Key)).ToDictionary(StringComparer.Ordinal);
                kept[unit] = [.. failed.GetValueOrDefault(unit) ?? [], attempt];
                return new AttemptState(generation, run, new SortedDictionary<string, IReadOnlyList<FailedAttempt>>(kept, StringComparer.Ordinal));
            },
            cancellationToken);
        return state.Attempts![unit];
    }
}

/// <param name="Attempts">By unit id, each unit's in order. Null in a state of before attempts were told apart: they count anew.</param>
internal sealed record AttemptState(int Generation, int Run, SortedDictionary<string, IReadOnlyList<FailedAttempt>>? Attempts);
