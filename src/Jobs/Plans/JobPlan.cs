using System.Text.Json.Serialization;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>The recipe resolved against a model and its data: everything that decides which units there are. Compact: it grows with layers, never with rows.</summary>
public sealed record JobPlan
{
    /// <summary>The newest that is read. Plans are written with the oldest that says all of them: those without a reconstruction stay what they were.</summary>
    public const int CurrentSchema = 2;

    private const int FirstSchema = 1;
    private const int ReconstructionSchema = 2;
    private const int JobIdLength = 24;

    public int Schema { get; init; } = FirstSchema;
    public required PlanSettings Settings { get; init; }

    /// <summary>All layers of the model in topological order; <see cref="LayerPlan.Index"/> is the place in this list.</summary>
    public required IReadOnlyList<LayerPlan> Layers { get; init; }

    public required IReadOnlyList<BlockPlan> Blocks { get; init; }

    /// <summary>Layers whose statistics are gathered in one run of the graph, by index; together the groups hold every layer that has steps.</summary>
    public required IReadOnlyList<IReadOnlyList<int>> StatisticsGroups { get; init; }

    public required IReadOnlyList<UnsupportedNode> Unsupported { get; init; }

    /// <summary>In the order in which they are made.</summary>
    public IReadOnlyList<CorrectionPlan> Corrections { get; init; } = [];

    /// <summary>Null where the recipe reconstructs nothing.</summary>
    public ReconstructionPlan? Reconstruction { get; init; }

    /// <summary>The plan, marked with the schema that it needs.</summary>
    internal JobPlan Marked() => this with { Schema = Reconstruction is null ? FirstSchema : ReconstructionSchema };

    /// <summary>Whether batch norms are folded once their statistics are taken anew.</summary>
    [JsonIgnore]
    public bool FoldsAfter => Corrections.Any(c => c.Kind == Correction.BatchNorm);

    /// <summary>Hex SHA-256 of the canonical form.</summary>
    public string ComputeDigest() => CanonicalJson.Digest(this);

    /// <summary>The job's name: a prefix of the plan's digest, so the same work is the same job.</summary>
    public string ComputeJobId() => ComputeDigest()[..JobIdLength];
}

/// <summary>What all units of a job share.</summary>
public sealed record PlanSettings
{
    public required SourceBlob Model { get; init; }

    /// <summary>Weights that lie in blobs of their own, in the model's order; null where <see cref="Model"/> holds them all.</summary>
    public IReadOnlyList<SourceBlob>? ModelTensors { get; init; }

    public required SourceBlob Calibration { get; init; }
    public required SampleShards CalibrationShards { get; init; }
    public SourceBlob? Evaluation { get; init; }
    public SampleShards? EvaluationShards { get; init; }

    /// <summary>Null without evaluation data.</summary>
    public string? Metric { get; init; }

    /// <summary>How layers see batch norms: folded or kept. Those to be retuned are kept.</summary>
    public required BatchNormMode BatchNorm { get; init; }
    public required Preprocess Preprocess { get; init; }

    /// <summary>Numeric profile; only workers that have it lease the job's units.</summary>
    public required string Profile { get; init; }

    public required long Seed { get; init; }

    /// <summary>Multiply-accumulates of one sample; for costs.</summary>
    public required long Macs { get; init; }

    public required long Parameters { get; init; }

    /// <summary>Null where the weights do not lie outside the model's blob, so that plans without such stay what they were.</summary>
    internal bool? IsExternal => ModelTensors is null ? null : true;

    /// <summary>Whether the whole model may run at once. A larger one runs through memory in parts, which says nothing of its latency.</summary>
    public bool FitsMemory() => ExternalBytes() <= Planner.WholeModelBytes;

    /// <summary>Bytes of the weights outside the model's blob.</summary>
    public long ExternalBytes() => ModelTensors?.Sum(t => t.Length) ?? 0;
}

public sealed record LayerPlan
{
    public required int Index { get; init; }
    public required string Name { get; init; }
    public required string OpType { get; init; }
    public required string Block { get; init; }
    public required LayerShape Shape { get; init; }

    /// <summary>Columns of X that one sample contributes; for costs.</summary>
    public required long Positions { get; init; }

    /// <summary>Empty where the layer is left alone or reconstructed only.</summary>
    public required IReadOnlyList<StepPlan> Steps { get; init; }

    /// <summary>How it is reconstructed after its steps; null where it is not.</summary>
    public ReconstructedLayer? Reconstruct { get; init; }

    /// <summary>The share of its weights that are zero already and stay so; null where they are free.</summary>
    public double? KeptZeros { get; init; }

    /// <summary>Why a layer or some step of it is left out; null where all steps apply.</summary>
    public string? Reason { get; init; }

    /// <summary>Only so many rows, from the first on, are solved, as a sample; null where all are.</summary>
    public int? SampleRows { get; init; }

    /// <summary>The part of the layer that goes through the steps.</summary>
    public LayerShape SolvedShape() => SampleRows is { } rows ? Shape with { Rows = rows } : Shape;

    /// <summary>Bits of the codes that the written model stores; null where it stays in float, as a layer does of which some rows are as they were.</summary>
    public int? StoredBits() => Reconstruct?.Bits ?? SolvedBits();

    /// <summary>Grid of these codes.</summary>
    public QuantizationScheme? StoredScheme() => Reconstruct?.Scheme ?? Steps[^1].Step.Scheme;

    /// <summary>Bits of the codes that its steps end with; null where they end with float weights.</summary>
    public int? SolvedBits() => SampleRows is null && Steps.Count > 0 ? Steps[^1].Step.Bits : null;

    /// <summary>Whether nothing is done to it.</summary>
    [JsonIgnore]
    public bool IsLeftAlone => Steps.Count == 0 && Reconstruct is null;

    public LayerRef Ref() => new(Name, Index);
}

/// <param name="NeedsInverse">The whole layer's inverse Hessian is computed first. Without it each row inverts its own surviving part, or none is needed.</param>
/// <param name="StartsPruned">An earlier step pruned: zeros of the incoming weights are a mask to keep.</param>
/// <param name="RangeRows">Rows of a unit (<see cref="RowRanges"/>).</param>
/// <param name="KeepsRows">The trace keeps every row after every step; otherwise only the order, and the closed form follows (algorithms.md 5.5).</param>
public sealed record StepPlan(CompressStepSpec Step, bool NeedsInverse, bool StartsPruned, int RangeRows, bool KeepsRows = false);

/// <param name="Layers">Indices of its layers that have steps.</param>
public sealed record BlockPlan(string Name, IReadOnlyList<int> Layers);
