using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>A unit before its inputs are committed: everything but the digests.</summary>
/// <param name="Id">Its place in the plan, for example <c>layer/3/step/0/rows/128-255</c>.</param>
/// <param name="Cost">Nominal floating-point operations.</param>
public sealed record PlannedUnit(string Id, UnitKind Kind, UnitSpec Spec, IReadOnlyList<PlannedInput> Inputs, double Cost);

/// <summary>One input and where it comes from.</summary>
public sealed record PlannedInput(string Role, InputSource Source);

/// <summary>Where an input blob comes from. A closed set.</summary>
public abstract record InputSource;

/// <summary>The model or a data file.</summary>
public sealed record FromBlob(SourceBlob Blob) : InputSource;

/// <summary>An output of a unit of an earlier stage of the same pipeline.</summary>
public sealed record FromUnit(UnitPlace Unit, string Role) : InputSource;

/// <summary>A blob that another pipeline made, by its place in the list that this pipeline was started with.</summary>
public sealed record FromGiven(int Position) : InputSource;

/// <summary>A unit's place in its pipeline.</summary>
/// <param name="Stage">Place in <see cref="IUnitPipeline.Stages"/>.</param>
/// <param name="Index">Place within the stage.</param>
public readonly record struct UnitPlace(int Stage, int Index);

/// <summary>
/// Stages one after the other, each a number of units that do not depend on each other; a stage starts when the one before is
/// done. Units are made one at a time by their place, so a layer of a million row ranges needs no list of them.
/// </summary>
public interface IUnitPipeline
{
    /// <summary>Units of each stage.</summary>
    public IReadOnlyList<int> Stages { get; }

    public PlannedUnit this[UnitPlace place] { get; }

    /// <summary>A unit's nominal cost, for pipelines whose units are costly to make only to ask for it.</summary>
    public double CostOf(UnitPlace place) => this[place].Cost;

    /// <summary>Units whose activations no other unit of the pipeline reads once this one is committed.</summary>
    public IEnumerable<UnitPlace> SpentAfter(UnitPlace place) => [];

    /// <summary>A unit's id, likewise.</summary>
    public string IdOf(UnitPlace place) => this[place].Id;
}
