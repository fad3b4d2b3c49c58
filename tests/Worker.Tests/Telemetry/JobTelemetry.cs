using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Grains.Telemetry;
using Orchestrator.TestKit.Telemetry;
using Orchestrator.Worker.Telemetry;

namespace Orchestrator.Worker.Tests.Telemetry;

/// <summary>Everything that a job tells of itself, heard.</summary>
internal sealed class JobTelemetry : IDisposable
{
    private readonly Meter _meter = new("test");
    private readonly ActivitySource _source = new("test");
    private readonly WorkerInstruments _worker;

    public JobTelemetry()
    {
        Metrics = new MeterRecorder(_meter);
        Spans = new SpanRecorder(_source);
        _worker = new WorkerInstruments(_meter, _source);
        Store = new StoreInstruments(_meter);
        Grains = new GrainTelemetry(new GrainInstruments(_meter, _source), Logs);
        Watch = new WorkerWatch(_worker, new Logger<WorkerWatch>(Logs), "worker");
    }

    public MeterRecorder Metrics { get; }

    public SpanRecorder Spans { get; }

    public LogRecorder Logs { get; } = new();

    public StoreInstruments Store { get; }

    public GrainTelemetry Grains { get; }

    public WorkerWatch Watch { get; }

    public TracedRunner Traced(Leasing.IUnitRunner runner) => new(runner, _worker);

    /// <summary>What whoever submits the job starts.</summary>
    public Activity Submit() => _source.StartActivity("submit", ActivityKind.Client)!;

    public void Dispose()
    {
        Metrics.Dispose();
        Spans.Dispose();
        _meter.Dispose();
        _source.Dispose();
        Logs.Dispose();
    }
}
