using Orchestrator.Grains;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orleans.Concurrency;
using Orleans.Placement;

namespace Orchestrator.Silo;

/// <summary>A block on the silo of its model.</summary>
[Reentrant]
[PreferLocalPlacement]
internal sealed class SiloBlockGrain(SiloParts parts) : SiloGrain<IBlockGrain>(parts), ISiloBlockGrain
{
    private JobPlace? _place;

    public Task StartLayerAsync(LayerStart start, CancellationToken cancellationToken)
    {
        _place = start.Job;
        return TurnAsync((g, stopping) => g.StartLayerAsync(start, stopping));
    }

    public Task RepairLayerAsync(JobPlace job, int layer, BlobRef damaged, CancellationToken cancellationToken) =>
        TurnAsync((g, stopping) => g.RepairLayerAsync(job, layer, damaged, stopping));

    public Task StopAsync(JobPlace job, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.StopAsync(job, stopping));

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.LayerEndedAsync(ended, stopping));

    public Task<JobPlace?> PlaceAsync(CancellationToken cancellationToken) => Task.FromResult(_place);

    protected override IBlockGrain Create(IGrainHost host) => new BlockGrain(host);
}

/// <summary>A layer on the silo of its model.</summary>
[Reentrant]
[PreferLocalPlacement]
internal sealed class SiloLayerGrain(SiloParts parts) : SiloGrain<ILayerGrain>(parts), ISiloLayerGrain
{
    private JobPlace? _place;

    public Task StartAsync(LayerStart start, CancellationToken cancellationToken)
    {
        _place = start.Job;
        return TurnAsync((g, stopping) => g.StartAsync(start, stopping));
    }

    public Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.RepairAsync(job, damaged, stopping));

    public Task StopAsync(JobPlace job, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.StopAsync(job, stopping));

    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => TellAsync((g, stopping) => g.AttemptsEndedAsync(ended, stopping));

    public Task<JobPlace?> PlaceAsync(CancellationToken cancellationToken) => Task.FromResult(_place);

    protected override ILayerGrain Create(IGrainHost host) => new LayerGrain(host, Parts.Checkpoints, Parts.Options.Retry, Parts.Options.Telemetry);
}

/// <summary>The scheduler, wherever it is. Its timers keep it there.</summary>
[Reentrant]
internal sealed class SiloSchedulerGrain(SiloParts parts) : SiloGrain<ISchedulerGrain>(parts), ISiloSchedulerGrain
{
    public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.OfferAsync(offers, stopping));

    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.WithdrawAsync(owner, stopping));

    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.AcknowledgeAsync(epochs, stopping));

    public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.DescribeAsync(question, stopping));

    public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.FindLeaseAsync(worker, epoch, stopping));

    public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return await WaitAsync((g, waiting) => g.LeaseAsync(request, waiting), 2 * Parts.Options.Leases.LongPoll, cancellationToken);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // The wait was in vain; the next one finds the scheduler's next activation.
            return [];
        }
    }

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) =>
        TurnAsync((g, stopping) => g.HeartbeatAsync(heartbeat, stopping));

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken) =>
        TurnAsync((g, stopping) => g.CompleteAsync(epoch, outcome, stopping));

    public Task<string> ActivationAsync(CancellationToken cancellationToken) => Task.FromResult(Host.Activation);

    protected override ISchedulerGrain Create(IGrainHost host) => new SchedulerGrain(host, Parts.Options.Leases, Parts.Options.Telemetry);
}
