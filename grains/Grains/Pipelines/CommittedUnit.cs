using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>A committed unit as the fold shows it: made from its record or from its stage's log when it is looked at.</summary>
internal readonly struct CommittedUnit
{
    private readonly IUnitPipeline _pipeline;
    private readonly UnitPlace _place;
    private readonly CommitRecord? _record;
    private readonly StageLog? _log;
    private readonly int _entry;

    public CommittedUnit(IUnitPipeline pipeline, UnitPlace place, CommitRecord record, bool reused)
        : this(pipeline, place, reused) => _record = record;

    public CommittedUnit(IUnitPipeline pipeline, UnitPlace place, StageLog log, int entry, bool reused)
        : this(pipeline, place, reused) => (_log, _entry) = (log, entry);

    private CommittedUnit(IUnitPipeline pipeline, UnitPlace place, bool reused)
    {
        _pipeline = pipeline;
        _place = place;
        Reused = reused;
    }

    /// <summary>Its commit was there already, or another process was first.</summary>
    public bool Reused { get; }

    /// <summary>Its id in this plan.</summary>
    public string Id => _pipeline.IdOf(_place);

    public double Cost => _pipeline.CostOf(_place);

    public string Key => _record?.Key ?? _log!.KeyOf(_entry);

    public Epoch Epoch => _record?.Epoch ?? _log!.EpochOf(_entry);

    public UnitMetrics Metrics => _record?.Metrics ?? _log!.MetricsOf(_entry);

    public IEnumerable<KeyInput> Digests => _record?.Outputs.Select(o => new KeyInput(o.Role, o.Blob.Sha256)) ?? _log!.DigestsOf(_entry);

    /// <summary>The record that says so; made anew where it is part of a log.</summary>
    public CommitRecord Record => _record ?? _log![_entry];

    public string DigestOf(string role)
    {
        foreach (var output in Digests)
        {
            if (output.Role == role)
                return output.Sha256;
        }

        throw Lacks(role);
    }

    public BlobRef Output(string role) =>
        (_record is { } record ? record.Outputs.FirstOrDefault(o => o.Role == role)?.Blob : _log!.OutputOf(_entry, role)) ?? throw Lacks(role);

    private InvalidOperationException Lacks(string role) => new($"Unit '{Id}' was committed without its output '{role}'.");
}
