using System.Net;
using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Telemetry;

namespace Orchestrator.Cli.Serving;

/// <summary>What <c>orc serve</c> was asked for.</summary>
internal sealed record ServeOptions
{
    public required StoreOpening Store { get; init; }

    public required Uri Listen { get; init; }

    /// <summary>Where others reach the server; null where that is <see cref="Listen"/>.</summary>
    public Uri? Address { get; init; }

    /// <summary>Absolute; null without keys.</summary>
    public string? Keys { get; init; }

    public required string Name { get; init; }

    /// <summary>How long a worker may read or create a blob that it was granted; it asks again where a unit takes longer.</summary>
    public TimeSpan Grant { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>Null where the active server alone has the grains.</summary>
    public ClusterOptions? Cluster { get; init; }

    public LogFormat Log { get; init; } = LogFormat.Text;
}

/// <summary>How servers are one cluster of Orleans silos.</summary>
/// <param name="Silo">Where the other silos reach this one.</param>
/// <param name="First">The first silo of a cluster on this machine; null where this is it, or where there is a database.</param>
/// <param name="DatabaseFile">Holds the connection string of the PostgreSQL database; null for a cluster on this machine.</param>
internal sealed record ClusterOptions(IPEndPoint Silo, IPEndPoint? First, string? DatabaseFile);

/// <summary>What <c>orc serve --json</c> prints when it ends.</summary>
/// <param name="Term">Of its last tenure, or of the server that was active last.</param>
internal sealed record ServeResult(string Name, Uri Address, long Term, double Seconds);

/// <summary>What <c>orc serve --new-key --json</c> prints.</summary>
/// <param name="Key">A secret, printed this once.</param>
/// <param name="Line">For the server's file of keys.</param>
internal sealed record NewKeyResult(string Key, string Line);
