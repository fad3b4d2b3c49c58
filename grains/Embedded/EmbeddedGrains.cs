using System.Runtime.CompilerServices;
using Orchestrator.Grains;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Embedded;

/// <summary>How a model grain is called from outside its turns.</summary>
internal sealed class EmbeddedModelGrain(Activation<IModelGrain> activation) : IModelGrain
{
    public Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StartAsync(start, cancellationToken));

    public async IAsyncEnumerable<JobProgress> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var stream = await activation.InterleaveAsync(g => Task.FromResult(g.WatchAsync(cancellationToken).GetAsyncEnumerator(cancellationToken)));
        try
        {
            while (await activation.InterleaveAsync(_ => stream.MoveNextAsync().AsTask()))
                yield return stream.Current;
        }
        finally
        {
            await activation.InterleaveAsync(async _ =>
            {
                await stream.DisposeAsync();
                return true;
            });
        }
    }

    public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken) =>
        activation.InterleaveAsync(g => g.DescribeAsync(most, cancellationToken));

    public Task<JobResult> ResultAsync(CancellationToken cancellationToken) =>
        activation.InterleaveAsync(g => g.ResultAsync(cancellationToken));

    public Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StopAsync(reason, resumable, cancellationToken));

    public Task FailAsync(string reason, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.FailAsync(reason, cancellationToken));

    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.AttemptsEndedAsync(ended, cancellationToken));

    public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.LayerProgressedAsync(progress, cancellationToken));

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.LayerEndedAsync(ended, cancellationToken));

    public Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.LayerStarvedAsync(place, layer, damaged, cancellationToken));

    public Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StoreFailedAsync(place, reason, cancellationToken));
}

/// <summary>How a block grain is called from outside its turns.</summary>
internal sealed class EmbeddedBlockGrain(Activation<IBlockGrain> activation) : IBlockGrain
{
    public Task StartLayerAsync(LayerStart start, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StartLayerAsync(start, cancellationToken));

    public Task RepairLayerAsync(JobPlace job, int layer, BlobRef damaged, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.RepairLayerAsync(job, layer, damaged, cancellationToken));

    public Task StopAsync(JobPlace job, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StopAsync(job, cancellationToken));

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.LayerEndedAsync(ended, cancellationToken));
}

/// <summary>How a layer grain is called from outside its turns.</summary>
internal sealed class EmbeddedLayerGrain(Activation<ILayerGrain> activation) : ILayerGrain
{
    public Task StartAsync(LayerStart start, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StartAsync(start, cancellationToken));

    public Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.RepairAsync(job, damaged, cancellationToken));

    public Task StopAsync(JobPlace job, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.StopAsync(job, cancellationToken));

    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.AttemptsEndedAsync(ended, cancellationToken));
}

/// <summary>How the scheduler grain is called from outside its turns.</summary>
internal sealed class EmbeddedSchedulerGrain(Activation<ISchedulerGrain> activation) : ISchedulerGrain
{
    public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.OfferAsync(offers, cancellationToken));

    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.WithdrawAsync(owner, cancellationToken));

    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.AcknowledgeAsync(epochs, cancellationToken));

    public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.DescribeAsync(question, cancellationToken));

    public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.FindLeaseAsync(worker, epoch, cancellationToken));

    public Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken) =>
        activation.InterleaveAsync(g => g.LeaseAsync(request, cancellationToken));

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.HeartbeatAsync(heartbeat, cancellationToken));

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken) =>
        activation.TurnAsync(g => g.CompleteAsync(epoch, outcome, cancellationToken));
}
