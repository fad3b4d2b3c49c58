using System.Diagnostics;
using System.Diagnostics.Metrics;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Telemetry;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Telemetry;

/// <summary>What a coordinator counts and traces. Costs next to nothing while nobody listens.</summary>
public sealed class GrainInstruments
{
    private readonly ActivitySource _spans;
    private readonly Histogram<double> _unitDuration;
    private readonly Histogram<double> _queueTime;
    private readonly Counter<long> _attempts;
    private readonly Counter<double> _reworkTime;
    private readonly Counter<long> _fenced;
    private readonly Counter<long> _quarantined;
    private readonly Counter<long> _leasesLost;
    private readonly Counter<long> _recoveries;
    private readonly Histogram<double> _jobDuration;
    private readonly Gauge<long> _queueDepth;
    private readonly Gauge<long> _leases;

    /// <param name="meter">Belongs to the caller, as do the spans' source and whoever listens to either.</param>
    public GrainInstruments(Meter meter, ActivitySource spans)
    {
        _spans = spans;
        _unitDuration = meter.CreateHistogram<double>("orchestrator.unit.duration", "s", "From the lease of a unit to the end of the attempt.", tags: null, Buckets.Seconds);
        _queueTime = meter.CreateHistogram<double>("orchestrator.unit.queue.time", "s", "From the offer of a unit to its lease.", tags: null, Buckets.Seconds);
        _attempts = meter.CreateCounter<long>("orchestrator.unit.attempts", "{attempt}", "Attempts that have ended.");
        _reworkTime = meter.CreateCounter<double>("orchestrator.unit.rework.time", "s", "Time of attempts whose result is not used.");
        _fenced = meter.CreateCounter<long>("orchestrator.unit.fenced", "{attempt}", "Results that came after their lease had ended, and were refused.");
        _quarantined = meter.CreateCounter<long>("orchestrator.unit.quarantined", "{unit}", "Units given up.");
        _leasesLost = meter.CreateCounter<long>("orchestrator.lease.lost", "{lease}", "Leases that ended without a word of their worker.");
        _recoveries = meter.CreateCounter<long>("orchestrator.job.recovery", "{recovery}", "How often work went on after something was lost.");
        _jobDuration = meter.CreateHistogram<double>("orchestrator.job.duration", "s", "From the start of a job in this process to its end.", tags: null, Buckets.JobSeconds);
        _queueDepth = meter.CreateGauge<long>("orchestrator.scheduler.queue.depth", "{unit}", "Units that wait for a worker.");
        _leases = meter.CreateGauge<long>("orchestrator.scheduler.leases", "{lease}", "Units under way.");
    }

    internal void UnitLeased(UnitKind unit, TimeSpan waited)
    {
        if (_queueTime.Enabled)
            _queueTime.Record(waited.TotalSeconds, Labels.Of(unit));
    }

    internal void AttemptEnded(UnitKind unit, OutcomeKind outcome, TimeSpan took)
    {
        if (_unitDuration.Enabled)
            _unitDuration.Record(took.TotalSeconds, Labels.Of(unit), Labels.Of(outcome));
        if (_attempts.Enabled)
            _attempts.Add(1, Labels.Of(unit), Labels.Of(outcome));
        if (outcome == OutcomeKind.Completed)
            return;
        _reworkTime.Add(took.TotalSeconds, Labels.Of(outcome));
        if (outcome == OutcomeKind.Lost)
        {
            _leasesLost.Add(1);
            _recoveries.Add(1, Cause("failure"));
        }
        else if (outcome == OutcomeKind.Cancelled)
        {
            _recoveries.Add(1, Cause("preemption"));
        }
    }

    internal void AttemptFenced() => _fenced.Add(1);

    internal void UnitQuarantined(UnitKind unit) => _quarantined.Add(1, Labels.Of(unit));

    internal void JobEnded(JobStatus status, TimeSpan took) => _jobDuration.Record(took.TotalSeconds, Labels.Of(status));

    internal void Standing(long waiting, long leased)
    {
        _queueDepth.Record(waiting);
        _leases.Record(leased);
    }

    /// <summary>A job starts in this process. What comes of it is traced below this span.</summary>
    internal Activity? StartingJob(string? trace, string tenant, string job) => Tagged(_spans.StartActivity("job start", ActivityKind.Internal, TraceParent.Read(trace)), tenant, job);

    internal Activity? EndingJob(string? trace, string tenant, string job) => Tagged(_spans.StartActivity("job end", ActivityKind.Internal, TraceParent.Read(trace)), tenant, job);

    /// <summary>A commit settles many attempts at once, so it is linked to them and is no child of one.</summary>
    /// <param name="attempts">Trace contexts of the attempts.</param>
    internal Activity? Committing(string? trace, string tenant, string job, IEnumerable<string?> attempts)
    {
        if (!_spans.HasListeners())
            return null;
        ActivityLink[] links = [.. TraceParent.Links(attempts)];
        return Tagged(_spans.StartActivity("commit", ActivityKind.Internal, TraceParent.Read(trace), tags: null, links), tenant, job)
            ?.SetTag("orchestrator.units", links.Length);
    }

    private static Activity? Tagged(Activity? span, string tenant, string job) => span?.SetTag("orchestrator.tenant", tenant).SetTag("orchestrator.job", job);

    private static KeyValuePair<string, object?> Cause(string cause) => new(Labels.Cause, cause);
}
