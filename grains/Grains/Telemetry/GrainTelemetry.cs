using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Orchestrator.Grains.Telemetry;

/// <summary>Whom grains tell what they do.</summary>
/// <param name="Instruments">Null where nothing is counted or traced.</param>
public sealed record GrainTelemetry(GrainInstruments? Instruments, ILoggerFactory Logs)
{
    public static GrainTelemetry None { get; } = new(null, NullLoggerFactory.Instance);
}
