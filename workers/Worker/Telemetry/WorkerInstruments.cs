using System.Diagnostics;
using System.Diagnostics.Metrics;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Telemetry;

namespace Orchestrator.Worker.Telemetry;

/// <summary>What a worker counts and traces. Costs next to nothing while nobody listens.</summary>
public sealed class WorkerInstruments
{
    private readonly Histogram<double> _attemptDuration;
    private readonly UpDownCounter<long> _busySlots;
    private readonly Counter<long> _leasesLost;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _incidents;

    /// <param name="meter">Belongs to the caller, as do the spans' source and whoever listens to either.</param>
    public WorkerInstruments(Meter meter, ActivitySource spans)
    {
        Spans = spans;
        _attemptDuration = meter.CreateHistogram<double>("orchestrator.worker.attempt.duration", "s", "Of an attempt with its reads, writes and report.", tags: null, Buckets.Seconds);
        _busySlots = meter.CreateUpDownCounter<long>("orchestrator.worker.slots.busy", "{slot}", "Slots that run a unit.");
        _leasesLost = meter.CreateCounter<long>("orchestrator.worker.lease.lost", "{lease}", "Units that were stopped because their lease could not be renewed.");
        _refused = meter.CreateCounter<long>("orchestrator.worker.results.refused", "{attempt}", "Results that no coordinator took.");
        _incidents = meter.CreateCounter<long>("orchestrator.worker.incidents", "{incident}", "What went wrong around units, by cause.");
    }

    internal ActivitySource Spans { get; }

    /// <summary>The span of an attempt, a consumer of the unit that was offered; null where nobody listens.</summary>
    internal Activity? Started(Lease lease, string worker)
    {
        _busySlots.Add(1);
        if (!Spans.HasListeners())
            return null;
        return Spans.StartActivity($"attempt {Labels.Of(lease.Unit.Kind).Value}", ActivityKind.Consumer, TraceParent.Read(lease.Trace))
            ?.SetTag("orchestrator.unit", lease.Unit.Id)
            .SetTag("orchestrator.attempt", lease.Epoch.Attempt)
            .SetTag("orchestrator.worker", worker);
    }

    internal void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold, Activity? span)
    {
        _busySlots.Add(-1);
        if (_attemptDuration.Enabled)
            _attemptDuration.Record(time.TotalSeconds, Labels.Of(lease.Unit.Kind), Labels.Of(outcome.Kind));
        if (IsFenced(outcome, isTold))
            _leasesLost.Add(1);
        else if (!isTold)
            _refused.Add(1);
        if (outcome.Failure is { } failure)
            span?.SetTag("error.type", failure.Code).SetStatus(ActivityStatusCode.Error, failure.Message);
        span?.SetTag("orchestrator.used", isTold);
    }

    internal void Noted(string kind) => _incidents.Add(1, new KeyValuePair<string, object?>(Labels.Cause, kind));

    /// <summary>Stopped by the worker itself because its lease could not be renewed.</summary>
    internal static bool IsFenced(Outcome outcome, bool isTold) => !isTold && outcome.Kind == OutcomeKind.Cancelled;
}
