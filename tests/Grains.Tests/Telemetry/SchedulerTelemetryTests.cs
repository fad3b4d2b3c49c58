using System.Diagnostics;
using System.Diagnostics.Metrics;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Telemetry;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Telemetry;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Grains.Tests.Telemetry;

public sealed class SchedulerTelemetryTests : IDisposable
{
    private static readonly LeaseRequest s_request = new("worker-7", [SampleJobs.Profile], 1);
    private static readonly LeaseOptions s_options = LeaseOptions.Default;
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(7);

    private readonly ManualClock _clock = new();
    private readonly Meter _meter = new("test");
    private readonly ActivitySource _source = new("test");
    private readonly LogRecorder _logs = new();
    private readonly MeterRecorder _metrics;

    public SchedulerTelemetryTests() => _metrics = new MeterRecorder(_meter);

    public void Dispose()
    {
        _metrics.Dispose();
        _meter.Dispose();
        _source.Dispose();
        _logs.Dispose();
    }

    [Fact]
    public async Task Waiting_and_working_are_told_apart()
    {
        var scheduler = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2")], CancellationToken.None);
        _clock.Advance(s_wait);
        var lease = Assert.Single(await scheduler.LeaseAsync(s_request, CancellationToken.None));
        _clock.Advance(s_wait * 2);
        await scheduler.CompleteAsync(lease.Epoch, Outcome.Completed([], new UnitMetrics()), CancellationToken.None);

        Assert.Equal(s_wait.TotalSeconds, Assert.Single(_metrics.Of("orchestrator.unit.queue.time")).Value);
        Assert.Equal(2 * s_wait.TotalSeconds, Assert.Single(_metrics.Of("orchestrator.unit.duration")).Value);
        Assert.Equal(1, _metrics.Of("orchestrator.scheduler.queue.depth").Last().Value);
        Assert.Equal(1, _metrics.Of("orchestrator.scheduler.leases").Last().Value);
    }

    [Fact]
    public async Task A_lost_lease_is_rework_and_what_comes_after_it_is_fenced()
    {
        var scheduler = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = Assert.Single(await scheduler.LeaseAsync(s_request, CancellationToken.None));
        _clock.Advance(s_options.Duration);

        Assert.False(await scheduler.CompleteAsync(lease.Epoch, Outcome.Completed([], new UnitMetrics()), CancellationToken.None));

        Assert.Equal(1, _metrics.Sum("orchestrator.lease.lost"));
        Assert.Equal(1, _metrics.Sum("orchestrator.unit.fenced"));
        Assert.Equal(s_options.Duration.TotalSeconds, _metrics.Sum("orchestrator.unit.rework.time"));
        Assert.Equal("failure", Assert.Single(_metrics.Of("orchestrator.job.recovery")).Labels[Labels.Cause]);
        Assert.Equal(Labels.Timeout, Assert.Single(_metrics.Of("orchestrator.unit.attempts")).Labels[Labels.Result]);
        Assert.Contains(_logs.Lines, l => l.Id == 101 && l.Text.Contains("worker-7", StringComparison.Ordinal) && l.Text.Contains("tenant-5", StringComparison.Ordinal));
        Assert.Contains(_logs.Lines, l => l.Id == 102);
    }

    [Fact]
    public async Task What_is_handed_back_is_a_preemption()
    {
        var scheduler = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = Assert.Single(await scheduler.LeaseAsync(s_request, CancellationToken.None));
        await scheduler.CompleteAsync(lease.Epoch, Outcome.Cancelled("The worker stops."), CancellationToken.None);

        Assert.Equal("preemption", Assert.Single(_metrics.Of("orchestrator.job.recovery")).Labels[Labels.Cause]);
        Assert.Equal(0, _metrics.Sum("orchestrator.lease.lost"));
    }

    [Fact]
    public async Task A_lease_carries_the_trace_of_its_offer()
    {
        const string Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        var scheduler = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1") with { Trace = Trace }], CancellationToken.None);

        Assert.Equal(Trace, Assert.Single(await scheduler.LeaseAsync(s_request, CancellationToken.None)).Trace);
    }

    private async Task<SchedulerGrain> ActivateAsync()
    {
        var host = new FakeGrainHost(GrainKeys.Scheduler, new MemoryBlobStore(), _clock, new SilentLayer());
        var scheduler = new SchedulerGrain(host, s_options, new GrainTelemetry(new GrainInstruments(_meter, _source), _logs));
        await scheduler.ActivateAsync(CancellationToken.None);
        return scheduler;
    }

    private static UnitOffer Offer(string unit) => new(new UnitOwner(OwnerKind.Layer, "layer/job/0"), "tenant-5", "job", new WorkUnit
    {
        Id = unit,
        Key = SampleJobs.Digest('1'),
        Kind = UnitKind.Statistics,
        Spec = new InverseSpec(new LayerRef("/conv", 0), 1, 9, 0),
        Inputs = [],
        Profile = SampleJobs.Profile,
        Cost = 1,
    });

    private sealed class SilentLayer : ILayerGrain
    {
        public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StartAsync(LayerStart start, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(JobPlace job, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
