using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Scheduling;

/// <summary>Ended attempts that an owner has not acknowledged, in the order of their ends.</summary>
internal sealed class Outbox
{
    private readonly Dictionary<Epoch, AttemptEnd> _waiting = [];
    private readonly List<Epoch> _order = [];
    private readonly HashSet<Epoch> _underWay = [];

    public bool IsEmpty => _waiting.Count == 0;

    /// <summary>The owner has been told something that it has not acknowledged.</summary>
    public bool IsUnderWay => _underWay.Count > 0;

    /// <summary>When it was told last.</summary>
    public TimeSpan Told { get; private set; }

    public void Add(AttemptEnd ended)
    {
        if (_waiting.TryAdd(ended.Epoch, ended))
            _order.Add(ended.Epoch);
    }

    /// <summary>Everything that is not acknowledged.</summary>
    public IReadOnlyList<AttemptEnd> Take(TimeSpan now)
    {
        Told = now;
        _underWay.UnionWith(_order);
        return [.. _order.Select(e => _waiting[e])];
    }

    /// <returns>Whether any of these was its own.</returns>
    public bool Acknowledge(IReadOnlySet<Epoch> epochs)
    {
        var before = _waiting.Count;
        _order.RemoveAll(epoch => epochs.Contains(epoch) && _waiting.Remove(epoch));
        _underWay.ExceptWith(epochs);
        return _waiting.Count < before;
    }
}
