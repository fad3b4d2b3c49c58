using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Units;

/// <summary>The same unit in less memory.</summary>
/// <remarks>
/// Only where the result stays the same. An evaluation that counts right answers adds up whole numbers, in any batches. Statistics and
/// moments are not among them: what is summed in float32 within a batch, and in which order, is part of their result, and so of their key.
/// Neither are metrics that are sums of real numbers, nor comparisons, nor rows, whose memory is their weights and their Hessian.
/// </remarks>
internal static class SmallerUnit
{
    private static readonly string[] s_counting = ["top1", "top5"];

    /// <summary>With half the batch; null where that would be another unit, or is none.</summary>
    public static WorkUnit? Of(WorkUnit unit) => unit.Spec is EvaluateSpec { Latency: false, Batch: > 1 } spec && s_counting.Contains(spec.Metric)
        ? unit with { Spec = spec with { Batch = spec.Batch / 2 } }
        : null;
}
