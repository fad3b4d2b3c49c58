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
    public async Task RunAsync(PreparedRun run, CancellationToken cancellationToken)
    {
        foreach (var file in new[] { run.Calibration, run.Evaluation }.OfType<SourceFile>())
            await blobs.ImportAsync(tenant, file.Stamp.Sha256, file.Stamp.Bytes, file.Open, cancellationToken);
        await WeightsAsync(run.Model, cancellationToken);
        await blobs.ImportAsync(
            tenant, run.Model.Stamp.Sha256, run.Model.Content.Length, (stream, token) => stream.WriteAsync(run.Model.Content, token).AsTask(), cancellationToken);
    }

    private async Task WeightsAsync(SourceModel model, CancellationToken cancellationToken)
    {
        var (done, told) = (0L, 0L);
        foreach (var tensor in model.Tensors ?? [])
        {
            try
            {
                await blobs.ImportAsync(tenant, tensor.Blob.Sha256, tensor.Blob.Length, tensor.Write, cancellationToken);
            }
            catch (Onnx.OnnxException gone)
            {
                throw new InputException("model-invalid", gone.Subject, gone.Message, "Leave the model and its weights as they are while the job starts.", gone);
            }

            done += tensor.Blob.Length;
            if (done - told < TellEvery)
                continue;
            told = done;
            sink.Note($"Weights in the store: {Figures.Bytes(done)} of {Figures.Bytes(model.Tensors!.Sum(t => t.Blob.Length))}.");
        }
    }
}
