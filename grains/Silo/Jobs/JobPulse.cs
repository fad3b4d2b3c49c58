using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Silo.Jobs;

/// <summary>
/// Notices grains of a running job that have lost their memory. A start may be on its way when it is looked for, so a grain counts as
/// lost when it has not heard of the start twice in a row.
/// </summary>
internal sealed class JobPulse
{
    private const int Misses = 2;

    private readonly Dictionary<string, int> _missed = new(StringComparer.Ordinal);

    /// <param name="place">The start that the grains should know.</param>
    /// <param name="known">By key of every grain that something is expected of: what it knows.</param>
    /// <returns>The keys of those that are lost.</returns>
    public IReadOnlyList<string> Take(JobPlace place, IEnumerable<KeyValuePair<string, JobPlace?>> known)
    {
        var missing = known.Where(k => k.Value != place).Select(k => k.Key).ToHashSet(StringComparer.Ordinal);
        foreach (var found in _missed.Keys.Where(key => !missing.Contains(key)).ToArray())
            _missed.Remove(found);
        foreach (var key in missing)
            _missed[key] = _missed.GetValueOrDefault(key) + 1;
        return [.. _missed.Where(m => m.Value >= Misses).Select(m => m.Key).Order(StringComparer.Ordinal)];
    }
}
