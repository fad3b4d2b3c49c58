using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>Looks units up among the commits: resolves inputs, computes keys, fills the fold.</summary>
internal sealed class UnitFinder(CheckpointStore checkpoints, JobScope scope, string profile, IUnitPipeline pipeline, PipelineFold fold)
{
    /// <summary>Inputs above which a unit's list is made as it is read.</summary>
    private const int ManyInputs = 1_024;

    private RowsKeys? _keys;

    /// <summary>The blobs that the pipeline was begun with.</summary>
    public IReadOnlyList<BlobRef> Given { get; set; } = [];

    /// <summary>Puts a committed unit into the fold.</summary>
    /// <returns>The unit to be run where it is not committed.</returns>
    public async Task<WorkUnit?> FindAsync(UnitPlace place, CancellationToken cancellationToken)
    {
        var planned = pipeline[place];
        // Looked at again after a repair: whoever computed it first did so for good.
        var reused = fold.Find(place)?.Reused ?? true;
        string key;
        if (planned.Spec is RowsSpec rows)
        {
            if (place.Index == 0 || fold.LogOf(place.Stage) is null)
                await OpenAsync(place.Stage, planned, rows, cancellationToken);
            key = KeyOf(planned, rows);
            if (fold.LogOf(place.Stage)!.Find(key) is >= 0 and var entry)
            {
                fold.Set(place, entry, reused);
                return null;
            }
        }
        else
        {
            key = UnitKeys.Compute(planned.Kind, planned.Spec, planned.Inputs.Select(Shown), profile);
            if (await checkpoints.ReadCommitAsync(scope, key, cancellationToken) is { } record)
            {
                fold.Set(place, record, reused);
                return null;
            }
        }

        fold.Remove(place);
        return new WorkUnit
        {
            Id = planned.Id,
            Key = key,
            Kind = planned.Kind,
            Spec = planned.Spec,
            Inputs = planned.Inputs.Count > ManyInputs ? ManyInputsOf(place, planned) : InputsOf(planned),
            Profile = profile,
            Cost = planned.Cost,
            Generation = scope.Generation == 0 ? null : scope.Generation,
        };
    }

    /// <summary>Opens the stage's log, or reads on where it is open.</summary>
    private async Task OpenAsync(int stage, PlannedUnit planned, RowsSpec rows, CancellationToken cancellationToken)
    {
        var shared = planned.Inputs.Where(i => i.Source is not FromUnit from || pipeline.Stages[from.Unit.Stage] == 1).Select(Shown);
        var key = UnitKeys.ComputeStage(planned.Kind, rows, shared, profile);
        if (fold.LogOf(stage) is { } open && open.Stage == key)
            await open.RefreshAsync(cancellationToken);
        else
            fold.SetLog(stage, await checkpoints.OpenStageAsync(scope, key, pipeline.Stages[stage], cancellationToken));
    }

    private string KeyOf(PlannedUnit planned, RowsSpec rows)
    {
        if (_keys?.Covers(rows) != true)
            _keys = new RowsKeys(planned.Kind, rows, profile);
        return _keys.Compute(rows, planned.Inputs.Select(Shown));
    }

    private KeyInput Shown(PlannedInput input) => new(input.Role, input.Source switch
    {
        FromBlob s => s.Blob.Sha256,
        FromUnit s => fold[s.Unit].DigestOf(s.Role),
        FromGiven s => Given[s.Position].Sha256,
        _ => throw NoSuch(input.Source),
    });

    private UnitInput[] InputsOf(PlannedUnit planned) =>
        [.. planned.Inputs.Select(i => new UnitInput(i.Role, Resolve(i.Source, unit => fold[unit], Given)))];

    private IndexedList<UnitInput> ManyInputsOf(UnitPlace place, PlannedUnit planned)
    {
        var given = Given;
        var units = fold.Snapshot(place.Stage);
        return new IndexedList<UnitInput>(planned.Inputs.Count, i => new UnitInput(planned.Inputs[i].Role, Resolve(planned.Inputs[i].Source, units, given)));
    }

    private BlobRef Resolve(InputSource source, Func<UnitPlace, CommittedUnit> units, IReadOnlyList<BlobRef> given) => source switch
    {
        FromBlob s => new BlobRef(BlobNames.Input(scope.Tenant, s.Blob.Sha256), s.Blob.Sha256, s.Blob.Length),
        FromUnit s => units(s.Unit).Output(s.Role),
        FromGiven s => given[s.Position],
        _ => throw NoSuch(source),
    };

    private static ArgumentOutOfRangeException NoSuch(InputSource source) => new(nameof(source), source.GetType().Name, "no such source");
}
