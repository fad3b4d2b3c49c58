using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Estimates;

/// <summary>Memory that a unit is estimated to take while it runs, beside what all units of a process share. Nominal: it says who gets a unit first, never how it is cut.</summary>
public sealed class UnitMemory(JobPlan plan)
{
    private const double Float = sizeof(float);
    private const double Double = sizeof(double);

    /// <summary>No machine's speed takes part.</summary>
    private readonly UnitWorks _works = new(plan, new EstimateRequest { Speed = MachineSpeed.Nominal, Slots = 1, Cores = 1, ProcessBytes = 0, CacheBytes = 0 });

    /// <returns>Null where nobody knows.</returns>
    public long? Of(PlannedUnit unit) => Known(_works.Of(unit).MemoryBytes);

    /// <summary>Of a unit of a layer's pipeline, which says all that counts itself.</summary>
    /// <returns>Null for other units.</returns>
    public static long? OfLayer(UnitSpec spec, LayerPlan layer) => spec switch
    {
        HessianSpec => Known(Hessian(layer.Shape)),
        InverseSpec s => Known(Inverse(s)),
        RowsSpec s => Known(Rows(s)),
        SelectSpec s => Known(Select(s)),
        _ => null,
    };

    internal static double Hessian(LayerShape shape) => 4 * HessianBytes(shape) + 3.0 * shape.Rows * shape.Columns * Float;

    internal static double Inverse(InverseSpec spec) => 6.0 * spec.Groups * spec.Columns * spec.Columns * Double;

    internal static double Rows(RowsSpec spec)
    {
        double columns = spec.Layer.Columns;
        return 4 * HessianBytes(spec.Layer) + 8 * columns * columns * Double + 6.0 * spec.Rows * columns * Double;
    }

    internal static double Select(SelectSpec spec) => 4 * ((double)spec.Layer.Rows * spec.Layer.Columns / spec.Unit) * Double;

    internal static double HessianBytes(LayerShape shape) => (double)shape.Groups * shape.Columns * shape.Columns * Double;

    private static long? Known(double bytes) => bytes > 0 ? (long)bytes : null;
}
