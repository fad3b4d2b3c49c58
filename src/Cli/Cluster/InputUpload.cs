using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Running;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Cluster;

/// <summary>Puts what a job starts from under the server's inputs; what is there already is not sent.</summary>
internal sealed class InputUpload(ServerClient client, IProgressSink sink)
{
    /// <exception cref="InputException">A file changed since it was read, or the server refuses it.</exception>
    public async Task<UploadView> RunAsync(PreparedJob job, CancellationToken cancellationToken)
    {
        var inputs = job.Inputs.ToList();
        var total = inputs.Sum(input => input.Blob.Length);
        var (sent, present) = (0L, 0L);
        foreach (var input in inputs)
        {
            if (await client.HasInputAsync(input.Blob, cancellationToken))
            {
                present += input.Blob.Length;
                continue;
            }

            await JobInput.ReadingAsync(() => client.PutInputAsync(input.Blob, input.Write, bytes => sink.Update(ByteProgress.Of("uploading", sent + present + bytes, total, input.File)), cancellationToken));
            sent += input.Blob.Length;
        }

        return new UploadView(sent, present);
    }
}

/// <param name="SentBytes">Sent by this call.</param>
/// <param name="PresentBytes">The server had them already.</param>
internal sealed record UploadView(long SentBytes, long PresentBytes);
