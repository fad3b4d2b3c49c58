using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Units;

/// <summary>A node whose output is corrected channel by channel.</summary>
public sealed record SiteRef(string Node, ChannelAxis Axis, int Channels);

/// <summary>What one <c>corrections</c> blob holds: a pair of values for each channel of each site, in this order.</summary>
public sealed record AppliedCorrection(Correction Kind, IReadOnlyList<SiteRef> Sites);

/// <summary>
/// Mean and variance of outputs, channel by channel and batch by batch, over a shard of calibration samples. Inputs: model (float) or draft, data,
/// then a corrections blob for each of <paramref name="Applied"/>. Output: moments.
/// </summary>
/// <param name="Kind">For <see cref="Correction.BatchNorm"/> every batch norm normalizes with its batch's own statistics, and its input is measured.</param>
/// <param name="Applied">Corrections that the draft has when it is measured; empty for the float model.</param>
public sealed record MomentsSpec(
    Correction Kind, IReadOnlyList<SiteRef> Sites, IReadOnlyList<AppliedCorrection> Applied, int First, int Count, int Batch, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>
/// The correction of some sites. Inputs: for batch norms the draft; moments blobs of the draft in shard order; for the others reference blobs
/// (moments of the float model) in shard order. Output: corrections.
/// </summary>
/// <param name="ReferenceSites">Sites of the reference blobs, which hold all depths at once.</param>
public sealed record CorrectionSpec(Correction Kind, IReadOnlyList<SiteRef> Sites, IReadOnlyList<SiteRef> ReferenceSites) : UnitSpec
{
    public override int MethodVersion => 1;

    /// <summary>Updates of the running statistics, batches in turn; null except for batch norms.</summary>
    public int? Updates { get; init; }
}
