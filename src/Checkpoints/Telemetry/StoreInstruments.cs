using System.Diagnostics.Metrics;
using Orchestrator.Jobs.Telemetry;
using Polly.Telemetry;

namespace Orchestrator.Checkpoints.Telemetry;

/// <summary>What is counted of a store: writes, damage, tries.</summary>
public sealed class StoreInstruments
{
    private readonly Histogram<double> _writeDuration;
    private readonly Histogram<long> _writeSize;
    private readonly Counter<long> _verifyErrors;
    private readonly Counter<long> _retries;
    private readonly Counter<long> _hedges;
    private long _breaker;

    /// <param name="meter">Belongs to the caller.</param>
    public StoreInstruments(Meter meter)
    {
        _writeDuration = meter.CreateHistogram<double>("orchestrator.checkpoint.write.duration", "s", "Until a blob is on stable storage, with all tries.", tags: null, Buckets.Seconds);
        _writeSize = meter.CreateHistogram<long>("orchestrator.checkpoint.write.size", "By", "Of blobs that were created or replaced.", tags: null, Buckets.Bytes);
        _verifyErrors = meter.CreateCounter<long>("orchestrator.checkpoint.verify.errors", "{error}", "Blobs that were missing or did not have their digest when they were read.");
        _retries = meter.CreateCounter<long>("orchestrator.store.retries", "{try}", "Tries of an operation after the first.");
        _hedges = meter.CreateCounter<long>("orchestrator.store.hedges", "{try}", "Second tries beside a read that took longer than most.");
        meter.CreateObservableGauge("orchestrator.store.breaker.state", () => Interlocked.Read(ref _breaker), "{state}", "0 closed, 1 open: the store is left alone for a while, 2 half open: one call tries it.");
        Resilience = new PollyListener(this);
    }

    /// <summary>What a pipeline of Polly tells its events to.</summary>
    internal TelemetryListener Resilience { get; }

    internal bool MeasuresWrites => _writeDuration.Enabled || _writeSize.Enabled;

    internal void Written(string name, TimeSpan took, long bytes, string result)
    {
        var blob = new KeyValuePair<string, object?>(Labels.Blob, KindOf(name));
        _writeDuration.Record(took.TotalSeconds, blob, new(Labels.Result, result));
        if (result == Labels.Success)
            _writeSize.Record(bytes, blob);
    }

    internal void Damaged(string name) => _verifyErrors.Add(1, new KeyValuePair<string, object?>(Labels.Blob, KindOf(name)));

    private static string KindOf(string name)
    {
        var rest = name.AsSpan(name.IndexOf('/') + 1);
        return Blobs.BlobName.IsHead(name) ? "head"
            : rest.StartsWith("attempts/", StringComparison.Ordinal) ? "tensor"
            : rest.StartsWith("inputs/", StringComparison.Ordinal) ? "input"
            : rest.Contains("commits/", StringComparison.Ordinal) ? "commit"
            : "document";
    }

    private sealed class PollyListener(StoreInstruments instruments) : TelemetryListener
    {
        public override void Write<TResult, TArgs>(in TelemetryEventArguments<TResult, TArgs> args)
        {
            switch (args.Event.EventName)
            {
                case "OnRetry":
                    instruments._retries.Add(1, Pipeline(args.Source));
                    break;
                case "OnHedging":
                    instruments._hedges.Add(1, Pipeline(args.Source));
                    break;
                case "OnCircuitClosed":
                    Interlocked.Exchange(ref instruments._breaker, 0);
                    break;
                case "OnCircuitOpened":
                    Interlocked.Exchange(ref instruments._breaker, 1);
                    break;
                case "OnCircuitHalfOpened":
                    Interlocked.Exchange(ref instruments._breaker, 2);
                    break;
            }
        }

        private static KeyValuePair<string, object?> Pipeline(ResilienceTelemetrySource source) => new(Labels.Pipeline, source.PipelineName ?? "blob");
    }
}
