using System.Diagnostics.Metrics;

namespace Orchestrator.Jobs.Telemetry;

/// <summary>Where histograms put their bounds, unless whoever collects them says otherwise.</summary>
public static class Buckets
{
    /// <summary>From a dispatch of milliseconds to a unit of an hour.</summary>
    public static InstrumentAdvice<double> Seconds { get; } = new()
    {
        HistogramBucketBoundaries = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1_800, 3_600],
    };

    /// <summary>Of whole jobs: a minute to four days.</summary>
    public static InstrumentAdvice<double> JobSeconds { get; } = new()
    {
        HistogramBucketBoundaries = [1, 10, 60, 300, 900, 3_600, 7_200, 14_400, 43_200, 86_400, 172_800, 345_600],
    };

    /// <summary>From a record of a kilobyte to a tensor of gigabytes.</summary>
    public static InstrumentAdvice<long> Bytes { get; } = new()
    {
        HistogramBucketBoundaries = [1L << 10, 1L << 14, 1L << 17, 1L << 20, 1L << 23, 1L << 26, 1L << 29, 1L << 32],
    };
}
