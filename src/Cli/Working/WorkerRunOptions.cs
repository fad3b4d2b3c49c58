using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Telemetry;

namespace Orchestrator.Cli.Working;

/// <summary>What <c>orc worker</c> was asked for; paths absolute.</summary>
internal sealed record WorkerRunOptions
{
    /// <summary>In the order to try them in.</summary>
    public required IReadOnlyList<Uri> Servers { get; init; }

    /// <summary>A secret; null without one.</summary>
    public string? Key { get; init; }

    /// <summary>Null where the server grants blob by blob.</summary>
    public StoreOpening? Store { get; init; }

    public required int Slots { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>webgpu</c>.</summary>
    public required string Device { get; init; }

    /// <summary>The one numeric profile to serve; null for all of the device.</summary>
    public string? Profile { get; init; }

    /// <summary>Null: a folder that goes when the worker ends.</summary>
    public string? Cache { get; init; }

    public required long CacheBytes { get; init; }

    public required TimeSpan Grace { get; init; }

    public required string Name { get; init; }

    public LogFormat Log { get; init; } = LogFormat.Text;
}

/// <summary>What <c>orc worker --json</c> prints when it ends.</summary>
/// <param name="Units">Computed and taken by the coordinator.</param>
/// <param name="HandedBack">Stopped because the worker stopped.</param>
/// <param name="NotUsed">Ended after their lease had.</param>
/// <param name="UnitSeconds">Sum over the units' times; with several slots more than <paramref name="Seconds"/>.</param>
internal sealed record WorkerResult(string Name, int Units, int Failed, int HandedBack, int NotUsed, double Seconds, double UnitSeconds, long BytesRead, long BytesWritten);
