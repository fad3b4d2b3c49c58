using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>The committed units of a pipeline and what they add up to. Some bytes a unit, however many there are.</summary>
internal sealed class PipelineFold
{
    private readonly IUnitPipeline _pipeline;
    private readonly StageFold?[] _stages;

    public PipelineFold(IUnitPipeline pipeline)
    {
        _pipeline = pipeline;
        _stages = new StageFold?[pipeline.Stages.Count];
    }

    public PipelineCounts Counts { get; private set; }

    public CommittedUnit? Find(UnitPlace place) => _stages[place.Stage]?.Find(place.Index);

    public CommittedUnit this[UnitPlace place] => Find(place) ?? throw new InvalidOperationException($"Unit '{_pipeline[place].Id}' is not committed.");

    /// <summary>In the pipeline's order.</summary>
    public IEnumerable<CommittedUnit> InOrder() => _stages.SelectMany(stage => stage?.InOrder() ?? []);

    public IEnumerable<CommittedUnit> InStage(int stage) => _stages[stage]?.InOrder() ?? [];

    /// <summary>The log of a stage of many units; null where there is none.</summary>
    public StageLog? LogOf(int stage) => _stages[stage]?.Log;

    public void SetLog(int stage, StageLog log)
    {
        var fold = At(stage);
        foreach (var unit in fold.InOrder())
            Counts += Count(unit, -1);
        fold.SetLog(log);
    }

    public void Set(UnitPlace place, CommitRecord record, bool reused) => Set(place, fold => fold.Set(place.Index, record, reused));

    /// <param name="entry">Its entry in the stage's log.</param>
    public void Set(UnitPlace place, int entry, bool reused) => Set(place, fold => fold.Set(place.Index, entry, reused));

    public void Remove(UnitPlace place)
    {
        if (Find(place) is not { } unit)
            return;
        Counts += Count(unit, -1);
        At(place.Stage).Remove(place.Index);
    }

    /// <summary>Who made a blob.</summary>
    public UnitPlace? ProducerOf(string blob)
    {
        if (BlobNames.ProducerOf(blob) is not var (key, epoch))
            return null;
        for (var stage = 0; stage < _stages.Length; stage++)
        {
            if (_stages[stage]?.IndexOf(key) is >= 0 and var index && this[new UnitPlace(stage, index)].Epoch == epoch)
                return new UnitPlace(stage, index);
        }

        return null;
    }

    /// <summary>An output of every unit of a stage, all of them committed, as the fold is now.</summary>
    public IReadOnlyList<BlobRef> Outputs(int stage, string role)
    {
        var units = At(stage).Snapshot();
        return new IndexedList<BlobRef>(_pipeline.Stages[stage], index => units(index).Output(role));
    }

    /// <summary>Units of earlier stages as they are now.</summary>
    /// <param name="before">The stage that they feed.</param>
    public Func<UnitPlace, CommittedUnit> Snapshot(int before)
    {
        var stages = Enumerable.Range(0, before).Select(s => At(s).Snapshot()).ToArray();
        return place => stages[place.Stage](place.Index);
    }

    /// <summary>Hex SHA-256 over ids, keys and output digests in order. Attempts take no part: equal results have equal digests.</summary>
    public string Digest()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var unit in InOrder())
            hash.AppendData(Encoding.UTF8.GetBytes($"{unit.Id} {unit.Key} {string.Join(' ', unit.Digests.OrderBy(o => o.Role, StringComparer.Ordinal).Select(o => $"{o.Role}:{o.Sha256}"))}\n"));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private void Set(UnitPlace place, Action<StageFold> set)
    {
        Remove(place);
        set(At(place.Stage));
        Counts += Count(this[place], 1);
    }

    private StageFold At(int stage) => _stages[stage] ??= new StageFold(_pipeline, stage);

    private static PipelineCounts Count(CommittedUnit unit, int sign) => unit.Reused
        ? new PipelineCounts(0, sign, sign * unit.Cost, sign * unit.Cost)
        : new PipelineCounts(sign, 0, sign * unit.Cost, 0);
}
