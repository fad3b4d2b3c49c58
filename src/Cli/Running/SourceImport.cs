using Orchestrator.Checkpoints;
using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Running;

/// <summary>Puts what a job starts from into the store: model, large weights one by one, data. What is there already is only verified.</summary>
internal sealed class SourceImport(TensorBlobs blobs, string tenant, IProgressSink sink)
{
    /// <summary>A line of progress each time so many bytes are done.</summary>
    private const long TellEvery = 1L << 30;

    /// <exception cref="InputException">A weight changed since it was read.</exception>
    public async Task RunAsync(PreparedJob job, CancellationToken cancellationToken)
    {
        var inputs = job.Inputs.ToList();
        var (done, told) = (0L, 0L);
        foreach (var input in inputs)
        {
            await JobInput.ReadingAsync(() => blobs.ImportAsync(tenant, input.Blob.Sha256, input.Blob.Length, input.Write, cancellationToken));
            done += input.Blob.Length;
            if (done - told < TellEvery)
                continue;
            told = done;
            sink.Note($"Inputs in the store: {Figures.Bytes(done)} of {Figures.Bytes(inputs.Sum(i => i.Blob.Length))}.");
        }
    }
}
