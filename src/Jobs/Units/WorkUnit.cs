namespace Orchestrator.Jobs.Units;

/// <summary>The kinds of design.md section 5.</summary>
public enum UnitKind
{
    Outline = 1,
    Statistics = 2,
    Rows = 3,
    Select = 4,
    Reconstruct = 5,
    Assemble = 6,
    Evaluate = 7,
}

/// <summary>The piece a worker leases: everything it needs, by content.</summary>
public sealed record WorkUnit
{
    /// <summary>Its place in the plan, for example <c>layer/3/step/0/rows/128-255</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Hex SHA-256 of everything the result depends on (UnitKeys).</summary>
    public required string Key { get; init; }

    public required UnitKind Kind { get; init; }
    public required UnitSpec Spec { get; init; }

    /// <summary>In the order that the unit's spec defines; a role may occur more than once.</summary>
    public required IReadOnlyList<UnitInput> Inputs { get; init; }

    public required string Profile { get; init; }

    /// <summary>Nominal cost in floating-point operations; feeds the ETA only.</summary>
    public required double Cost { get; init; }

    /// <summary>Of the commits that it is for, so that a fresh start begins at the start; null for the first.</summary>
    public int? Generation { get; init; }
}

/// <summary>A blob as one unit sees it.</summary>
public sealed record UnitInput(string Role, BlobRef Blob);

/// <param name="Name">Its name in the store, tenant first.</param>
/// <param name="Sha256">Hex digest, verified on every read.</param>
public sealed record BlobRef(string Name, string Sha256, long Length);

/// <summary>An output blob of an attempt.</summary>
public sealed record UnitOutput(string Role, BlobRef Blob);

/// <summary>The names of blobs within units.</summary>
public static class Roles
{
    public const string Model = "model";
    public const string Data = "data";

    /// <summary>Large weights of a written model, one behind the other; the model's own blob says where each lies.</summary>
    public const string ModelData = "model-data";

    /// <summary>A model outline as JSON.</summary>
    public const string Outline = "outline";

    /// <summary>Σ x·xᵀ of one shard, double [groups × columns × columns]; one output per layer: <c>gram/{layer index}</c>.</summary>
    public const string Gram = "gram";

    /// <summary>Averaged, undamped Hessian (2/N)·Σ x·xᵀ, double [groups × columns × columns].</summary>
    public const string Hessian = "hessian";

    /// <summary>Inverse of the damped Hessian, double [groups × columns × columns], followed by the absolute damping of each group, double [groups].</summary>
    public const string Inverse = "inverse";

    /// <summary>A layer's weights, float32 [rows × columns], columns in the order (ci, kh, kw).</summary>
    public const string Weights = "weights";

    /// <summary>A layer's weights before any step, as <see cref="Weights"/>: what losses are measured against after the first step.</summary>
    public const string Original = "original";

    /// <summary>Elimination order, int32 [rows × steps]: column (or block) removed at each step.</summary>
    public const string Order = "order";

    /// <summary>Loss increase of each elimination, double [rows × steps].</summary>
    public const string Losses = "losses";

    /// <summary>Rows at entry and after each elimination, float32 [rows × (steps + 1) × columns], columns as the step orders them.</summary>
    public const string Kept = "kept";

    /// <summary>How many eliminations each row keeps, int32 [rows].</summary>
    public const string Counts = "counts";

    /// <summary>Codes, int32 [rows × columns]; value = scale·(code − zero).</summary>
    public const string Codes = "codes";

    /// <summary>float32 [rows].</summary>
    public const string Scales = "scales";

    /// <summary>int32 [rows].</summary>
    public const string Zeros = "zeros";

    /// <summary>What enters and leaves a group on a shard of samples, float32; a header says which values and how many elements a sample.</summary>
    public const string Activations = "activations";

    /// <summary>Grids of a group's activations.</summary>
    public const string StepSizes = "step-sizes";

    /// <summary>The assembled model before its corrections.</summary>
    public const string Draft = "draft";

    /// <summary>Per batch and site: elements a channel, double; mean and variance of each channel, double.</summary>
    public const string Moments = "moments";

    /// <summary>As <see cref="Moments"/>, of the float model.</summary>
    public const string Reference = "reference";

    /// <summary>Per site two doubles a channel, first all first ones: running mean and variance; factor and shift; or bias and 0.</summary>
    public const string Corrections = "corrections";
}
