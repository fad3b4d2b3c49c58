using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Estimates;

/// <summary>What one unit takes.</summary>
/// <param name="Seconds">Processor time.</param>
/// <param name="MemoryBytes">While it runs, beside what all units share.</param>
/// <param name="StatisticsBytes">Sums, Hessians and inverses that it writes.</param>
/// <param name="OutputBytes">Everything else that it writes.</param>
/// <param name="Blobs">How many blobs it writes.</param>
internal readonly record struct UnitWork(double Seconds, double MemoryBytes, double StatisticsBytes, double OutputBytes, int Blobs)
{
    /// <summary>Bytes that it writes beside those, and that are deleted before the job ends.</summary>
    public double PassingBytes { get; init; }

    /// <summary>Bytes of files that it maps into memory, once for all that read them.</summary>
    public double MappedBytes { get; init; }

    /// <summary>Everything that it writes.</summary>
    public double WrittenBytes => StatisticsBytes + OutputBytes + PassingBytes;

    /// <summary>A file and its entry in a folder.</summary>
    private const int FlushesOfBlob = 2;

    /// <summary>The attempt's folder and the two above it, which are new too until there are hundreds of units.</summary>
    private const int FlushesOfAttempt = 3;

    /// <summary>The record, its entry and the folders above it.</summary>
    private const int FlushesOfCommit = 4;

    /// <summary>Wall time of a slot: what it computes, and what it waits for until its blobs are safe.</summary>
    public double SlotSeconds(MachineSpeed speed)
    {
        var flushes = Blobs == 0 ? 0 : FlushesOfAttempt + FlushesOfBlob * Blobs;
        return Seconds * speed.Contention + flushes * speed.FlushSeconds + WrittenBytes / speed.WriteBytes;
    }

    /// <summary>Wall time from a unit's end until the units that need it may start: the coordinator's, no slot's.</summary>
    public static double CommitSeconds(MachineSpeed speed) => FlushesOfCommit * speed.FlushSeconds;
}

/// <summary>(unit, plan, speed) → its work. Follows what the units do (algorithms.md 5), not their nominal costs, which are rounded up to cut them.</summary>
internal sealed class UnitWorks(JobPlan plan, EstimateRequest request)
{
    /// <summary>Runs of a latency unit, those that warm up included.</summary>
    private const int LatencyRuns = 24;

    /// <summary>Layers' outputs that a comparison holds together.</summary>
    private const double CompareGroupBytes = 64L << 20;

    /// <summary>Simple double-precision operations of one core a second, where memory is the limit.</summary>
    private const double Streaming = 1.5e9;

    /// <summary>Activations that a session holds beside the largest: its arena grows by doubling.</summary>
    private const double ArenaSlack = 2;

    /// <summary>A depthwise convolution whose weights are decoded in the model misses the runtime's fast kernel: 2.5 to 2.8 times on a MobileNetV2; ordinary ones run as fast as before.</summary>
    private const double DecodedDepthwise = 2.5;

    private const double Float = sizeof(float);
    private const double Double = sizeof(double);

    private readonly MachineSpeed _speed = request.Speed;
    private readonly double _activation = plan.Layers.Max(Activation);

    public UnitWork Of(PlannedUnit unit) => Work(unit) is var work && unit.Cost >= 0
        ? work with { Seconds = work.Seconds + request.UnitSeconds + work.WrittenBytes / _speed.HashBytes }
        : work;

    private UnitWork Work(PlannedUnit unit) => unit.Spec switch
    {
        GramSpec spec => Gram(spec),
        HessianSpec spec => Hessian(plan.Layers[spec.Layer.Index].Shape),
        InverseSpec spec => Inverse(spec),
        RowsSpec spec => Rows(spec, unit.Id),
        SelectSpec spec => Select(spec),
        AssembleSpec spec => Assemble(spec),
        EvaluateSpec { Latency: true } => Evaluate(LatencyRuns, 1, plan.Settings.Calibration.Length, RunsSlower(unit)),
        EvaluateSpec spec => Evaluate(spec.Count, spec.Batch, plan.Settings.Evaluation?.Length ?? 0, RunsSlower(unit)),
        CompareSpec spec => Compare(spec),
        MomentsSpec spec => Moments(spec),
        CorrectionSpec spec => Correct(spec),
        CaptureSpec spec => Capture(spec, unit.Cost),
        ReconstructSpec spec => Reconstruct(spec, unit.Cost),
        StepSizesSpec spec => StepSizes(spec, unit.Cost),
        _ => new UnitWork(unit.Cost / _speed.Forward, 0, 0, 0, 1),
    };

    private UnitWork Gram(GramSpec spec)
    {
        var layers = spec.Layers.Select(layer => plan.Layers[layer.Index]).ToList();
        var sums = layers.Sum(layer => UnitMemory.HessianBytes(layer.Shape));
        var unrolled = layers.Max(layer => (double)layer.Positions * layer.Shape.Groups * layer.Shape.Columns);
        var batches = Math.Ceiling((double)spec.Count / spec.Batch);
        // Products leave the runtime in float and are added up in double.
        var operations = PlanUnits.StatisticsOperations(plan, layers, spec.Count);
        var seconds = operations / _speed.Statistics + 2 * _speed.OpenSeconds + batches * sums / Double / Streaming;
        var memory = ArenaSlack * spec.Batch * (unrolled * Float + _activation) + 2 * sums + 2 * plan.Settings.Model.Length;
        return new UnitWork(seconds, memory, sums, 0, layers.Count);
    }

    private UnitWork Hessian(LayerShape shape)
    {
        var hessian = UnitMemory.HessianBytes(shape);
        var weights = (double)shape.Rows * shape.Columns * Float;
        return new UnitWork((plan.Settings.CalibrationShards.Count + 2) * hessian / Double / Streaming, UnitMemory.Hessian(shape), hessian, weights, 2);
    }

    private UnitWork Inverse(InverseSpec spec)
    {
        var cube = (double)spec.Groups * spec.Columns * spec.Columns * spec.Columns;
        var inverse = (double)spec.Groups * spec.Columns * spec.Columns * Double;
        return new UnitWork(cube / _speed.Inversions + 4 * inverse / Double / Streaming, UnitMemory.Inverse(spec), inverse, 0, 1);
    }

    private UnitWork Rows(RowsSpec spec, string id)
    {
        var shape = spec.Layer;
        double columns = shape.Columns;
        var layer = LayerOf(id);
        var density = Density(layer);
        var kept = spec.StartsPruned ? columns * density : columns;
        // Loss of the result and of the all-zero row on the undamped Hessian, and the proof of the elimination.
        var row = 5 * columns * columns / Streaming;
        row += spec.Phase == RowsPhase.Finish ? FinishRow(layer, id, columns) : Solve(spec, columns, kept);
        var hessian = UnitMemory.HessianBytes(shape);
        var seconds = spec.Rows * row + 2 * hessian / Double / Streaming;
        return new UnitWork(seconds, UnitMemory.Rows(spec), 0, RowsBytes(spec), RowsBlobs(spec));
    }

    private double Solve(RowsSpec spec, double columns, double kept)
    {
        var step = spec.Step;
        // Without a grid kind the step does not quantize.
        var grid = step.Bits is null || step.Grid == Recipes.GridKind.MinMax ? 0 : columns / _speed.GridWeights;
        if (step.Method == "rtn")
            return grid;
        var rates = step.Method == "obq" && kept <= SolverPrecision.ObqDoubleColumns ? _speed.DoublePrecision : _speed.SinglePrecision;
        var left = step is { Keep: { } keep, Group: { } group } ? kept * keep / group : 0;
        var elimination = Elimination(kept, rates) - (left > 0 ? Elimination(left, rates) : 0);
        var inversion = spec.StartsPruned ? kept * kept * kept / SpeedPoint.RateAt(_speed.DoublePrecision, kept) : 0;
        return grid + elimination + inversion;
    }

    private static double Elimination(double columns, IReadOnlyList<SpeedPoint> rates) => JobEstimator.EliminationOperations(columns) / SpeedPoint.RateAt(rates, columns);

    private double FinishRow(LayerPlan layer, string id, double columns)
    {
        var sparsity = layer.Steps[StepOf(id)].Step.Sparsity ?? 0;
        var kept = columns * (1 - sparsity);
        return kept * kept * kept / SpeedPoint.RateAt(_speed.DoublePrecision, kept) + 2 * columns * columns / Streaming;
    }

    private static double RowsBytes(RowsSpec spec)
    {
        var weights = (double)spec.Rows * spec.Layer.Columns;
        var removals = weights / (spec.Step.Size ?? 1);
        return spec.Phase == RowsPhase.Trace
            ? removals * (sizeof(int) + sizeof(double)) + (spec.KeepsRows == true ? removals * spec.Layer.Columns * Float : 0)
            : weights * Float + (spec.Step.Bits is null ? 0 : weights * sizeof(int) + spec.Rows * (Float + sizeof(int)));
    }

    /// <summary>Order, losses and the rows where they are kept; or weights, and codes with scales and zeros.</summary>
    private static int RowsBlobs(RowsSpec spec) =>
        spec.Phase == RowsPhase.Trace ? spec.KeepsRows == true ? 3 : 2 : spec.Step.Bits is null ? 1 : 4;

    private static UnitWork Select(SelectSpec spec)
    {
        var losses = (double)spec.Layer.Rows * spec.Layer.Columns / spec.Unit;
        return new UnitWork(losses * Math.Log2(losses + 2) / Streaming, UnitMemory.Select(spec), 0, spec.Layer.Rows * sizeof(int), 1);
    }

    private UnitWork Assemble(AssembleSpec spec)
    {
        var model = (double)plan.Settings.Model.Length + plan.Settings.ExternalBytes();
        var written = model;
        foreach (var entry in spec.Layers.Where(entry => entry.Bits is not null))
        {
            var shape = plan.Layers[entry.Layer.Index].Shape;
            written -= (double)shape.Rows * shape.Columns * (Float - (entry.Bits <= 4 ? 0.5 : 1));
        }

        // Weights outside the model pass through memory layer by layer.
        var held = spec.External == true ? plan.Settings.Model.Length + plan.Layers.Max(layer => (double)layer.Shape.Rows * layer.Shape.Columns * Float) : model;
        return new UnitWork(_speed.OpenSeconds + 6 * model / Streaming, 5 * held, 0, Math.Max(written, 0), spec.External == true ? 2 : 1);
    }

    private bool RunsSlower(PlannedUnit unit) => unit.Inputs[0].Source is not FromBlob && plan.Layers.Any(layer => layer.Shape.Groups > 1 && layer.Steps is [.., { Step.Bits: not null }]);

    private UnitWork Evaluate(int samples, int batch, long dataBytes, bool isSlower) => new(
        (isSlower ? DecodedDepthwise : 1) * samples * 2.0 * plan.Settings.Macs / _speed.Forward + 2 * _speed.OpenSeconds + dataBytes / Streaming * 10,
        ArenaSlack * batch * _activation + 3 * plan.Settings.Model.Length, 0, 0, 0);

    /// <summary>A level is measured on the part of the model that it needs: so many of the levels.</summary>
    private UnitWork Moments(MomentsSpec spec)
    {
        var levels = plan.Corrections.First(correction => correction.Kind == spec.Kind).Levels;
        var level = Enumerable.Range(0, levels.Count).FirstOrDefault(index => levels[index].SequenceEqual(spec.Sites), levels.Count - 1);
        var whole = Evaluate(spec.Count, spec.Batch, plan.Settings.Calibration.Length, isSlower: false);
        return whole with { Seconds = whole.Seconds * (level + 1) / levels.Count, Blobs = 1 };
    }

    /// <summary>Reads the model, for its batch norms, and a few numbers a channel.</summary>
    private UnitWork Correct(CorrectionSpec spec) =>
        new(spec.ReferenceSites.Count > 0 ? 0 : _speed.OpenSeconds, 3 * plan.Settings.Model.Length, 0, spec.Sites.Sum(site => 2 * site.Channels * Double), 1);

    /// <summary>What enters the group's first layer and leaves its last one, and gradients where they are asked for.</summary>
    private UnitWork Capture(CaptureSpec spec, double cost)
    {
        var sample = CapturedBytes(spec.Group, spec.Loss, spec.Floats == true);
        var memory = 2 * ArenaSlack * spec.Batch * _activation + 6.0 * plan.Settings.Model.Length + spec.Batch * sample;
        return new UnitWork(cost / _speed.Forward + 2 * _speed.OpenSeconds, memory, 0, 0, 1) { PassingBytes = spec.Count * sample };
    }

    /// <summary>Of one sample: what enters the group's first layer, in the float model too where elements of it are mixed in, what leaves the last one, and its gradients.</summary>
    private double CapturedBytes(GroupSpec group, Recipes.ReconstructionLoss loss, bool hasFloats)
    {
        var (first, last) = (plan.Layers[group.Layers[0].Layer.Index], plan.Layers[group.Layers[^1].Layer.Index]);
        return (Activation(first) - OutputBytes(first)) * (hasFloats ? 2 : 1) + OutputBytes(last) * (loss == Recipes.ReconstructionLoss.Mse ? 1 : 2);
    }

    /// <summary>Grids of the weights, steps, states on the way and the losses before and after on all samples. In memory: weights, their roundings with two moments, read and written in turn, and what a step keeps of its forward pass.</summary>
    private UnitWork Reconstruct(ReconstructSpec spec, double cost)
    {
        var layers = spec.Group.Layers.Select(layer => plan.Layers[layer.Layer.Index]).ToList();
        var isTuned = spec.Phase != ReconstructionPhase.Activations;
        var weights = layers.Sum(layer => (double)layer.Shape.Rows * layer.Shape.Columns);
        var macs = layers.Sum(layer => (double)layer.Positions * layer.Shape.Rows * layer.Shape.Columns);
        var activations = layers.Sum(layer => Activation(layer) + (double)layer.Positions * layer.Shape.Groups * layer.Shape.Columns * Float);
        var memory = 3.0 * plan.Settings.Model.Length + 10 * weights * Float + ArenaSlack * spec.Parameters.Batch * activations;
        var states = StepWork.States(spec.Parameters.Iterations) * (isTuned ? 3 * weights * Float : 0);
        var seconds = StepWork.Seconds(spec, layers, cost, _speed) + 2 * 2.0 * macs * spec.Samples / _speed.Forward + (isTuned ? weights / _speed.GridWeights : 0) + 4 * _speed.OpenSeconds;
        return new UnitWork(seconds, memory, 0, states + (isTuned ? 2 * weights * Float : 0), isTuned ? 4 * layers.Count : 1)
        {
            MappedBytes = spec.Samples * CapturedBytes(spec.Group, spec.Parameters.Loss, spec.Parameters.Drop is not null && plan.Reconstruction!.Inputs == Recipes.ReconstructionInputs.Quantized),
        };
    }

    /// <summary>A run for each activation, on all samples, and the search over what comes out: about one a layer.</summary>
    private UnitWork StepSizes(StepSizesSpec spec, double cost)
    {
        var elements = spec.Samples * plan.Layers.Sum(OutputBytes) / Float;
        var memory = ArenaSlack * spec.Batch * _activation + 3.0 * plan.Settings.Model.Length + spec.Samples * plan.Layers.Max(OutputBytes);
        return new UnitWork(cost / _speed.Forward + elements / _speed.GridWeights + plan.Layers.Count * _speed.OpenSeconds, memory, 0, 0, 1);
    }

    private UnitWork Compare(CompareSpec spec)
    {
        var sample = spec.Layers.Sum(layer => OutputBytes(plan.Layers[layer.Index]));
        // All outputs leave the runtime together where a batch can be that small.
        var batch = Math.Clamp(Math.Floor(CompareGroupBytes / Math.Max(sample, 1)), 1, spec.Batch);
        var groups = Math.Ceiling(sample * batch / CompareGroupBytes);
        var forward = 2 * groups * spec.Count * 2.0 * plan.Settings.Macs * PlanUnits.ForwardShare(plan, spec.Layers.Select(layer => layer.Index)) / _speed.Forward;
        var sums = 4 * sample * spec.Count / Float / Streaming;
        return new UnitWork(
            forward + sums + groups * 3 * _speed.OpenSeconds,
            2 * (Math.Min(sample * batch, CompareGroupBytes) + ArenaSlack * batch * _activation) + 6 * plan.Settings.Model.Length, 0, 0, 0);
    }

    /// <summary>Input and output of a layer, one sample.</summary>
    private static double Activation(LayerPlan layer) =>
        OutputBytes(layer) + (double)layer.Positions * layer.Shape.Columns / layer.Shape.KernelPositions * layer.Shape.Groups * Float;

    private static double OutputBytes(LayerPlan layer) => (double)layer.Positions * layer.Shape.Rows * Float;

    /// <summary>Weights that earlier steps leave.</summary>
    private static double Density(LayerPlan layer) => layer.Steps.Aggregate(1.0, (density, step) => step.Step switch
    {
        { Keep: { } keep, Group: { } group } => Math.Min(density, (double)keep / group),
        { Sparsity: { } sparsity } => Math.Min(density, 1 - sparsity),
        _ => density,
    });

    private LayerPlan LayerOf(string id) => plan.Layers[int.Parse(id.Split('/')[1], System.Globalization.CultureInfo.InvariantCulture)];

    private static int StepOf(string id) => int.Parse(id.Split('/')[3], System.Globalization.CultureInfo.InvariantCulture);
}
