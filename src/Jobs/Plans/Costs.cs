using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>Nominal floating-point operations. They cut layers into units and feed the ETA; measured speed never takes part, or the cut would differ between machines.</summary>
internal static class Costs
{
    /// <summary>What a rows unit should cost: seconds on one core.</summary>
    public const double UnitFlops = 5e10;

    /// <summary>
    /// A byte of a kept row (in the trace, written, hashed, flushed, read, hashed, copied) in operations of the closed form, as the benchmark kept-rows
    /// measures it on wide layers, where the choice matters (infra/docs/results.md). A constant, never the speed of the machine at hand: plans
    /// would differ between machines.
    /// </summary>
    private const double ByteFlops = 130;

    /// <summary>Candidate scales of the grid search (algorithms.md 0.3), each a pass over the row.</summary>
    private const double GridPasses = 500;

    /// <summary>One row through one step, all phases.</summary>
    public static double Row(CompressStepSpec step, LayerShape shape, bool startsPruned)
    {
        double columns = shape.Columns;
        var grid = step.Bits is null ? 0 : GridPasses * columns;
        if (step.Method == "rtn")
            return grid;
        var elimination = columns * columns * columns / 3 + 64 * columns * columns;
        // A row with a mask of its own inverts its own surviving part first.
        var inversion = startsPruned ? columns * columns * columns : 0;
        return elimination + inversion + grid;
    }

    /// <summary>One row's closed form: a factorisation of the kept part (algorithms.md 5.5).</summary>
    public static double FinishRow(LayerShape shape, double sparsity)
    {
        var kept = shape.Columns * (1 - sparsity);
        return kept * kept * kept / 3 + PickRow(shape);
    }

    /// <summary>One row looked up among those kept, and its loss.</summary>
    public static double PickRow(LayerShape shape) => (double)shape.Columns * shape.Columns;

    /// <summary>One row kept after every step, from the trace to the second pass.</summary>
    public static double KeepRow(LayerShape shape, int unit) => ByteFlops * KeptBytes(shape with { Rows = 1 }, unit);

    /// <summary>Bytes of a trace that keeps every row (algorithms.md 5.5).</summary>
    public static double KeptBytes(LayerShape shape, int unit) => sizeof(float) * (double)shape.Rows * shape.Columns * (shape.Columns / unit + 1);

    public static double Statistics(IEnumerable<LayerPlan> layers, long macs, int samples) =>
        samples * layers.Aggregate(2.0 * macs, (sum, l) => sum + (double)l.Positions * l.Shape.Groups * l.Shape.Columns * l.Shape.Columns);

    public static double Hessian(LayerShape shape, int shards) => (double)shape.Groups * shape.Columns * shape.Columns * (shards + 1);

    public static double Inverse(LayerShape shape) => (double)shape.Groups * shape.Columns * shape.Columns * shape.Columns;

    public static double Select(LayerShape shape) => (double)shape.Rows * shape.Columns * Math.Log2(shape.Rows + 2);

    public static double Forward(long macs, long samples) => 2.0 * macs * samples;
}
