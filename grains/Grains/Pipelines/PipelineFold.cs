using System.Security.Cryptography;
using System.Text;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Grains.Pipelines;

/// <summary>The committed units of a pipeline and what they add up to.</summary>
internal sealed class PipelineFold
{
    private readonly Dictionary<UnitPlace, CommittedUnit> _units = [];

    public PipelineCounts Counts { get; private set; }

    public CommittedUnit? Find(UnitPlace place) => _units.GetValueOrDefault(place);

    public CommittedUnit this[UnitPlace place] => _units[place];

    /// <summary>In the pipeline's order.</summary>
    public IEnumerable<CommittedUnit> InOrder() => _units.OrderBy(u => u.Key.Stage).ThenBy(u => u.Key.Index).Select(u => u.Value);

    public IEnumerable<CommittedUnit> InStage(int stage) =>
        _units.Where(u => u.Key.Stage == stage).OrderBy(u => u.Key.Index).Select(u => u.Value);

    public void Set(UnitPlace place, CommittedUnit unit)
    {
        Remove(place);
        _units[place] = unit;
        Counts += Count(unit, 1);
    }

    public void Remove(UnitPlace place)
    {
        if (_units.Remove(place, out var unit))
            Counts += Count(unit, -1);
    }

    /// <summary>Who made a blob.</summary>
    public UnitPlace? ProducerOf(string blob)
    {
        foreach (var (place, unit) in _units)
        {
            if (unit.Outputs.Any(o => o.Blob.Name == blob))
                return place;
        }

        return null;
    }

    /// <summary>Hex SHA-256 over ids, keys and output digests in order. Attempts take no part: equal results have equal digests.</summary>
    public string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var unit in InOrder())
            hash.AppendData(Encoding.UTF8.GetBytes($"{unit.Id} {unit.Key} {string.Join(' ', unit.Outputs.OrderBy(o => o.Role, StringComparer.Ordinal).Select(o => $"{o.Role}:{o.Blob.Sha256}"))}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static PipelineCounts Count(CommittedUnit unit, int sign) => unit.Reused
        ? new PipelineCounts(0, sign, sign * unit.Cost, sign * unit.Cost)
        : new PipelineCounts(sign, 0, sign * unit.Cost, 0);
}
