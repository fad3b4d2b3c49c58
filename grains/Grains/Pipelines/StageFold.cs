using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Grains.Pipelines;

/// <summary>The committed units of one stage: records of a few costly units, or places in the log of a stage of many.</summary>
internal sealed class StageFold(IUnitPipeline pipeline, int stage)
{
    private readonly int _count = pipeline.Stages[stage];

    // By index: the entry in the log and the reused flag, packed; 0 where the unit is not committed.
    private readonly int[] _entries = new int[pipeline.Stages[stage]];
    private CommitRecord[]? _records;

    /// <summary>Null for a stage whose units have a record each.</summary>
    public StageLog? Log { get; private set; }

    public int Committed { get; private set; }

    /// <summary>Puts another log in the place of this one, with nothing found in it so far.</summary>
    public void SetLog(StageLog log)
    {
        Array.Clear(_entries);
        (Log, Committed) = (log, 0);
    }

    public CommittedUnit? Find(int index) => _entries[index] == 0 ? null : Make(_entries, index);

    public IEnumerable<CommittedUnit> InOrder()
    {
        for (var i = 0; i < _count; i++)
        {
            if (_entries[i] != 0)
                yield return Make(_entries, i);
        }
    }

    public void Set(int index, CommitRecord record, bool reused)
    {
        _records ??= new CommitRecord[_count];
        _records[index] = record;
        Set(index, 0, reused);
    }

    public void Set(int index, int entry, bool reused)
    {
        Committed += _entries[index] == 0 ? 1 : 0;
        _entries[index] = ((entry + 1) << 1) | (reused ? 1 : 0);
    }

    public void Remove(int index)
    {
        Committed -= _entries[index] == 0 ? 0 : 1;
        _entries[index] = 0;
    }

    /// <returns>The unit's index, or -1.</returns>
    public int IndexOf(string key)
    {
        if (Log is null)
            return Enumerable.Range(0, _count).Where(i => _entries[i] != 0 && _records![i].Key == key).DefaultIfEmpty(-1).First();
        var entry = Log.Find(key);
        return entry < 0 ? -1 : Array.FindIndex(_entries, e => e >> 1 == entry + 1);
    }

    /// <summary>The stage as it is now, to be read later and from elsewhere. Every unit must be committed.</summary>
    public Func<int, CommittedUnit> Snapshot()
    {
        var entries = (int[])_entries.Clone();
        if (Log is { } log)
            return index => new CommittedUnit(pipeline, new UnitPlace(stage, index), log, (entries[index] >> 1) - 1, (entries[index] & 1) != 0);
        var records = (CommitRecord[])(_records ?? []).Clone();
        return index => new CommittedUnit(pipeline, new UnitPlace(stage, index), records[index], (entries[index] & 1) != 0);
    }

    private CommittedUnit Make(int[] entries, int index)
    {
        var reused = (entries[index] & 1) != 0;
        return Log is null
            ? new CommittedUnit(pipeline, new UnitPlace(stage, index), _records![index], reused)
            : new CommittedUnit(pipeline, new UnitPlace(stage, index), Log, (entries[index] >> 1) - 1, reused);
    }
}
