using Azure.Core.Pipeline;
using Orchestrator.Checkpoints.Telemetry;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>How patiently a store in the cloud is called. One call is one HTTP request.</summary>
/// <param name="Random">For the jitter of waits; 0 to 1.</param>
public sealed record AzureStoreOptions(TimeProvider Clock, Func<double> Random)
{
    /// <summary>Tries after the first and the waits between them: together more than a minute, so that a store that is away for one is waited for.</summary>
    public StoreRetryOptions Retry { get; init; } = new(9, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(20));

    /// <summary>Bound of a call with all its tries, before what its bytes add.</summary>
    public TimeSpan Total { get; init; } = TimeSpan.FromSeconds(120);

    /// <summary>Bound of one try, before what its bytes add.</summary>
    public TimeSpan Attempt { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>What a MiB adds to both bounds: a link of 8 Mbit/s is fast enough.</summary>
    public TimeSpan PerMebibyte { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Bytes of a staged block and of a ranged read.</summary>
    public int BlockBytes { get; init; } = 8 << 20;

    /// <summary>Blocks of one upload on their way at once.</summary>
    public int BlocksInFlight { get; init; } = 4;

    /// <summary>Null where tries are not counted.</summary>
    public StoreInstruments? Instruments { get; init; }

    /// <summary>What carries requests; null for HTTP.</summary>
    public HttpPipelineTransport? Transport { get; init; }
}
