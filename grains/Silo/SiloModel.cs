using System.Runtime.CompilerServices;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;
using Orleans.Runtime;

namespace Orchestrator.Silo;

/// <summary>
/// A job for those outside the grains. Calls that last as long as the job are made of many short ones: no call between silos may last
/// longer than the response timeout, and the job may move to another silo meanwhile.
/// </summary>
internal sealed class SiloModel(IModelGrain grain, SiloOptions options, TimeProvider clock) : IModelGrain
{
    public Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken) => grain.StartAsync(start, cancellationToken);

    public async IAsyncEnumerable<JobProgress> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var hasEnded = false;
        while (!hasEnded)
        {
            var stream = grain.WatchAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
            try
            {
                while (await MovesAsync(stream, cancellationToken))
                {
                    hasEnded = stream.Current.Phase == "ended";
                    yield return stream.Current;
                }
            }
            finally
            {
                await EndAsync(stream);
            }
        }
    }

    public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken) => grain.DescribeAsync(most, cancellationToken);

    public async Task<JobResult> ResultAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            using var patience = new CancellationTokenSource(options.ResponseTimeout / 2, clock);
            using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, patience.Token);
            try
            {
                return await grain.ResultAsync(waiting.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Not over yet, or begun anew.
            }
        }
    }

    public Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken) => grain.StopAsync(reason, resumable, cancellationToken);

    public Task FailAsync(string reason, CancellationToken cancellationToken) => grain.FailAsync(reason, cancellationToken);

    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => grain.AttemptsEndedAsync(ended, cancellationToken);

    public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken) => grain.LayerProgressedAsync(progress, cancellationToken);

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) => grain.LayerEndedAsync(ended, cancellationToken);

    public Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken) => grain.LayerStarvedAsync(place, layer, damaged, cancellationToken);

    public Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken) => grain.StoreFailedAsync(place, reason, cancellationToken);

    /// <returns>False at the end of the stream, and where it broke off because the job moved: the next one begins where the job is.</returns>
    private static async Task<bool> MovesAsync(IAsyncEnumerator<JobProgress> stream, CancellationToken cancellationToken)
    {
        try
        {
            return await stream.MoveNextAsync();
        }
        catch (Exception broken) when (!cancellationToken.IsCancellationRequested && (broken is OperationCanceledException or EnumerationAbortedException || CallFailure.IsTransient(broken)))
        {
            return false;
        }
    }

    private static async Task EndAsync(IAsyncEnumerator<JobProgress> stream)
    {
        try
        {
            await stream.DisposeAsync();
        }
        catch (Exception gone) when (gone is OperationCanceledException or EnumerationAbortedException || CallFailure.IsTransient(gone))
        {
            // Its silo is; so is the stream.
        }
    }
}
