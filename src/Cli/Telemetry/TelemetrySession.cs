using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using OpenTelemetry;
using OpenTelemetry.Logs;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Telemetry;

namespace Orchestrator.Cli.Telemetry;

/// <summary>What one run of the program tells of itself, and whom: the log on standard error, and a collector where OTEL_EXPORTER_OTLP_ENDPOINT names one.</summary>
internal sealed class TelemetrySession : IDisposable
{
    /// <summary>Of the meter and of the spans' source.</summary>
    public const string Name = "Orchestrator";

    /// <summary>The service that only asks: its requests are traced, since the server's spans lie below them.</summary>
    public const string Client = "orchestrator-client";

    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private readonly IDisposable _logs;

    private TelemetrySession(ILoggerFactory logs, IDisposable owner, bool exports)
    {
        (Logs, _logs, Exports) = (logs, owner, exports);
        Store = new StoreInstruments(Meter);
        Grains = new GrainTelemetry(new GrainInstruments(Meter, Spans), logs);
        Worker = new WorkerInstruments(Meter, Spans);
    }

    /// <summary>Someone is told by OTLP.</summary>
    public bool Exports { get; }

    public Meter Meter { get; } = new(Name, OrcCommand.Version);

    public ActivitySource Spans { get; } = new(Name, OrcCommand.Version);

    public ILoggerFactory Logs { get; }

    public StoreInstruments Store { get; }

    public GrainTelemetry Grains { get; }

    public WorkerInstruments Worker { get; }

    /// <param name="service">For example <c>orchestrator-server</c>; the standard OTEL_SERVICE_NAME beats it.</param>
    /// <param name="instance">Which of them.</param>
    /// <param name="lines">How the log looks on standard error; null for none.</param>
    public static TelemetrySession Open(string service, string instance, Surroundings surroundings, LogFormat? lines)
    {
        var exports = surroundings.Variable("OTEL_SDK_DISABLED") is not "true";
        var signals = new Signals(
            exports && Has(surroundings, "TRACES"), exports && Has(surroundings, "METRICS"), exports && Has(surroundings, "LOGS"));
        if (signals is { Traces: false, Metrics: false, Logs: false })
        {
            var factory = LoggerFactory.Create(log => Configure(log, surroundings, lines));
            return new TelemetrySession(factory, factory, exports: false);
        }

        var sdk = OpenTelemetrySdk.Create(builder => Configure(builder, signals, service, instance, log => Configure(log, surroundings, lines)));
        return new TelemetrySession(sdk.GetLoggerFactory(), sdk, exports: true);
    }

    /// <summary>A store whose writes are counted.</summary>
    public IBlobStore Measured(IBlobStore store, TimeProvider clock) => new MeteredBlobStore(store, Store, clock);

    /// <summary>A runner whose units are traced below their attempts.</summary>
    public TracedRunner Traced(IUnitRunner runner) => new(runner, Worker);

    /// <summary>Counts, traces and logs what a worker does.</summary>
    public WorkerWatch Watch(string worker) => new(Worker, Logs.CreateLogger<WorkerWatch>(), worker);

    /// <summary>Counts and traces what a worker does that logs it in words of its own.</summary>
    public WorkerWatch Counting(string worker) => new(Worker, NullLogger<WorkerWatch>.Instance, worker);

    /// <summary>Sends what is left; whatever is told later is lost.</summary>
    public void Dispose()
    {
        _logs.Dispose();
        Meter.Dispose();
        Spans.Dispose();
    }

    private static bool Has(Surroundings surroundings, string signal) =>
        surroundings.Variable(Endpoint) is not null || surroundings.Variable($"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") is not null;

    private static void Configure(ILoggingBuilder log, Surroundings surroundings, LogFormat? lines)
    {
        log.SetMinimumLevel(LogLevel.Information).AddFilter("Microsoft", LogLevel.Warning).AddFilter("Orleans", LogLevel.Error).AddFilter("Microsoft.Orleans", LogLevel.Error).AddFilter("System", LogLevel.Warning).AddFilter("Polly", LogLevel.Warning);
        if (lines is { } format)
            log.AddProvider(new LineLogger(surroundings.Terminal.Error, format, surroundings.Clock));
    }

    private static void Configure(IOpenTelemetryBuilder builder, Signals signals, string service, string instance, Action<ILoggingBuilder> log)
    {
        // What the environment says comes last and beats the rest.
        builder.ConfigureResource(resource => resource.AddService(service, serviceVersion: OrcCommand.Version, serviceInstanceId: instance).AddEnvironmentVariableDetector());
        builder.Services.AddLogging(log);
        if (signals.Traces)
            builder.WithTracing(traces => traces.AddSource(service == Client ? [Name, "System.Net.Http"] : [Name]).AddAspNetCoreInstrumentation(web => web.Filter = IsOfUsers).AddOtlpExporter());
        if (signals.Metrics)
            builder.WithMetrics(metrics => metrics.AddMeter(Name).AddOtlpExporter());
        if (signals.Logs)
            builder.WithLogging(logging => logging.AddOtlpExporter(), options => options.IncludeFormattedMessage = true);
    }

    /// <summary>Workers ask all the time; what they do is traced by the attempts.</summary>
    private static bool IsOfUsers(HttpContext request) =>
        !request.Request.Path.StartsWithSegments("/v1/worker") && !request.Request.Path.StartsWithSegments("/health");

    private sealed record Signals(bool Traces, bool Metrics, bool Logs);
}
