using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>
/// Activations are by far the most of what a reconstruction writes, and nothing of the result. They go when the last unit of the job that reads them is
/// committed. Another job of the tenant may want the same ones: it finds their units committed and their blobs gone, and has them captured anew.
/// </summary>
internal sealed class SpentActivations(TensorBlobs blobs, IUnitPipeline pipeline, PipelineFold fold)
{
    /// <summary>Deletes what nothing reads any more once a unit is committed. Where that fails, <c>orc gc</c> or the next run does it.</summary>
    public async Task DeleteAfterAsync(UnitPlace committed, CancellationToken cancellationToken)
    {
        try
        {
            foreach (var spent in pipeline.SpentAfter(committed).Select(fold.Find).OfType<CommittedUnit>())
                await blobs.DeleteAsync(spent.Output(Roles.Activations), cancellationToken);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // They are in nobody's way but the disk's.
        }
    }

    /// <summary>What has to happen before a unit can run whose activations are gone.</summary>
    /// <returns>Null where all of them are there.</returns>
    public async Task<PipelineEvent.Collected?> MissingAsync(UnitPlace place, WorkUnit unit, CancellationToken cancellationToken)
    {
        if (unit.Spec is not ReconstructSpec)
            return null;
        var missing = new List<UnitPlace>();
        foreach (var input in unit.Inputs.Where(i => i.Role == Roles.Activations))
        {
            if (!await blobs.ExistsAsync(input.Blob, cancellationToken) && fold.ProducerOf(input.Blob.Name) is { } producer)
                missing.Add(producer);
        }

        return missing.Count == 0 ? null : new PipelineEvent.Collected(place, missing);
    }
}
