using System.Text.Json.Serialization;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Units;

/// <summary>What a unit does, apart from its input blobs. Every member takes part in the unit's key.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(OutlineSpec), "outline")]
[JsonDerivedType(typeof(GramSpec), "gram")]
[JsonDerivedType(typeof(HessianSpec), "hessian")]
[JsonDerivedType(typeof(InverseSpec), "inverse")]
[JsonDerivedType(typeof(RowsSpec), "rows")]
[JsonDerivedType(typeof(SelectSpec), "select")]
[JsonDerivedType(typeof(AssembleSpec), "assemble")]
[JsonDerivedType(typeof(EvaluateSpec), "evaluate")]
[JsonDerivedType(typeof(CompareSpec), "compare")]
[JsonDerivedType(typeof(MomentsSpec), "moments")]
[JsonDerivedType(typeof(CorrectionSpec), "correction")]
[JsonDerivedType(typeof(CaptureSpec), "capture")]
[JsonDerivedType(typeof(ReconstructSpec), "reconstruct")]
[JsonDerivedType(typeof(StepSizesSpec), "step-sizes")]
public abstract record UnitSpec
{
    /// <summary>Version of the computation; raised when its result changes.</summary>
    public abstract int MethodVersion { get; }
}

/// <summary>Parse a model. Input: model. Output: outline (JSON).</summary>
public sealed record OutlineSpec(BatchNormMode BatchNorm) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>One shard of calibration samples through a generated graph, for some layers. Inputs: model, data. Outputs: <c>gram/{layer index}</c> each.</summary>
/// <param name="Layers">Layer names and their index in the plan, in plan order.</param>
/// <param name="First">First sample.</param>
/// <param name="Count">Samples in this shard.</param>
/// <param name="Batch">Samples per run of the graph.</param>
public sealed record GramSpec(IReadOnlyList<LayerRef> Layers, int First, int Count, int Batch, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 1;
}

public sealed record LayerRef(string Name, int Index);

/// <summary>Merge the shards of one layer and take its weights from the prepared model. Inputs: model, then gram blobs in shard order. Outputs: hessian, weights.</summary>
/// <param name="Samples">All calibration samples together (N of the average).</param>
public sealed record HessianSpec(LayerRef Layer, int Samples, BatchNormMode BatchNorm) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>Dead columns, damping and inversion (algorithms.md 5.3). Input: hessian. Output: inverse.</summary>
public sealed record InverseSpec(LayerRef Layer, int Groups, int Columns, double Damping) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>What a rows unit does with its step.</summary>
public enum RowsPhase
{
    /// <summary>Weights from start to end: nm, obq, rtn. Inputs: weights (one or more blobs, consecutive rows from <see cref="RowsSpec.WeightsFirstRow"/> on), hessian, inverse where the plan has one, and original (the layer's weights before any step) after the first step. Outputs: weights, and codes, scales, zeros where the step quantizes; all of this unit's rows.</summary>
    Solve = 1,

    /// <summary>Full elimination order and losses: exact-obs, block. Inputs as Solve. Outputs: order, losses; of this unit's rows.</summary>
    Trace = 2,

    /// <summary>Final weights by the closed form. Inputs: weights (as Solve), hessian, order (one blob, this unit's rows), counts (the whole layer's), original as Solve. Output: weights of this unit's rows.</summary>
    Finish = 3,
}

/// <summary>A range of rows of one layer through one step of the recipe, overrides applied.</summary>
/// <param name="FirstRow">First row of the layer.</param>
/// <param name="Rows">Number of rows.</param>
/// <param name="StartsPruned">Zeros of the incoming weights are a mask to keep.</param>
public sealed record RowsSpec(LayerShape Layer, CompressStepSpec Step, RowsPhase Phase, int FirstRow, int Rows, bool StartsPruned) : UnitSpec
{
    public override int MethodVersion => 1;

    /// <summary>Row of the layer that the first weights blob starts with. A unit gets only the blobs that overlap its rows: the whole layer at the first step, a few row ranges later.</summary>
    public int WeightsFirstRow { get; init; }

    /// <summary>Trace: also writes every row after every step. Finish: reads these in place of the order. Null for no.</summary>
    public bool? KeepsRows { get; init; }
}

/// <summary>A layer as a matrix, without its name: equal layers have equal keys.</summary>
public sealed record LayerShape(int Rows, int Columns, int Groups, int KernelPositions);

/// <summary>One step with every parameter written out; a flat record so that its canonical JSON is stable.</summary>
public sealed record CompressStepSpec
{
    public required string Method { get; init; }
    public required double Damping { get; init; }
    public double? Sparsity { get; init; }
    public MaskSelection? Select { get; init; }
    public int? Keep { get; init; }
    public int? Group { get; init; }
    public int? Size { get; init; }
    public int? Bits { get; init; }
    public GridKind? Grid { get; init; }
    public QuantizationScheme? Scheme { get; init; }
}

/// <summary>The global mask of one layer (algorithms.md 5.5). Inputs: losses blobs in row order. Output: counts.</summary>
/// <param name="Unit">Weights that one elimination removes: 1, or the block size.</param>
public sealed record SelectSpec(LayerShape Layer, int Unit, double Sparsity, MaskSelection Select) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>Put the layers' results into the model and write it. Inputs: model, then per layer, in order, weights blobs, or codes, scales and zeros blobs (roles tell which, <c>{role}/{layer index}</c>), then a corrections blob for each of <see cref="Applied"/>. A weights blob with fewer rows than the layer replaces its first rows. Output: model, and model-data where the weights lie outside it.</summary>
public sealed record AssembleSpec(IReadOnlyList<AssembleLayer> Layers, BatchNormMode BatchNorm) : UnitSpec
{
    public override int MethodVersion => 1;

    /// <summary>Null for none.</summary>
    public IReadOnlyList<AppliedCorrection>? Applied { get; init; }

    /// <summary>Whether batch norms are folded at the end, codes and scales included; null for no.</summary>
    public bool? FoldsAfter { get; init; }

    /// <summary>Whether the model is written with its large weights in a blob of their own; null means no.</summary>
    public bool? External { get; init; }

    /// <summary>How activations are quantized; the step-sizes blobs come last, the initial one and those of all groups in their order. Null where they stay in float.</summary>
    public ActivationSpec? Activations { get; init; }
}

/// <param name="Bits">Null where the layer stays in float.</param>
public sealed record AssembleLayer(LayerRef Layer, int? Bits, QuantizationScheme? Scheme);

/// <summary>A metric over a range of samples. Inputs: model, data, and for cosine and mse the float model as a second <c>model</c>. No outputs; sum and count are metrics.</summary>
/// <param name="Latency">Also measure the latency of one sample.</param>
public sealed record EvaluateSpec(string Metric, int First, int Count, int Batch, Preprocess Preprocess, bool Latency) : UnitSpec
{
    public override int MethodVersion => 1;

    /// <summary>Whether the models' large weights lie outside their blobs; null means no.</summary>
    public bool? External { get; init; }
}

/// <summary>Layer by layer, the written model against the float model on calibration samples. Inputs: model (float), model (compressed), data.</summary>
public sealed record CompareSpec(IReadOnlyList<LayerRef> Layers, int First, int Count, int Batch, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 1;
}
