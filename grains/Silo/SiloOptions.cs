using System.Net;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Silo;

/// <summary>How a silo finds the others and what its grains are told.</summary>
public sealed record SiloOptions
{
    /// <summary>How much of the response timeout a long poll leaves for its way there and back.</summary>
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(5);

    public static SiloOptions Default { get; } = new();

    /// <summary>Silos of one cluster and one store have the same name here.</summary>
    public string Cluster { get; init; } = "orchestrator";

    /// <summary>Where other silos reach this one. Whoever reaches it is inside the trust boundary: never an address that others than the silos reach.</summary>
    public IPEndPoint Address { get; init; } = new(IPAddress.Loopback, 11_111);

    /// <summary>The first silo of a cluster on this machine, which holds its membership; null where this is the first. Not used where there is a database.</summary>
    public IPEndPoint? Primary { get; init; }

    /// <summary>Connection string of the PostgreSQL database that holds membership and reminders; null for a cluster on this machine. A secret.</summary>
    public string? Database { get; init; }

    /// <summary>Whose names the state of the scheduler has, which is no tenant's.</summary>
    public string Tenant { get; init; } = "local";

    public RetryPolicy Retry { get; init; } = RetryPolicy.Cluster;

    public LeaseOptions Leases { get; init; } = LeaseOptions.Default;

    /// <summary>After this time a call between silos counts as lost.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a running job looks for its grains.</summary>
    public TimeSpan Pulse { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a job that shall run is looked at from outside its grains, wherever they were. A minute is the least that Orleans recommends.</summary>
    public TimeSpan Reminder { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How often a silo asks another one whether it lives; three silences in a row are its death.</summary>
    public TimeSpan Probe { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>Whom grains tell what they do.</summary>
    public GrainTelemetry Telemetry { get; init; } = GrainTelemetry.None;

    /// <summary>Reads a connection string from a file that only its owner should be able to read.</summary>
    /// <exception cref="InputException">There is no such file or nothing is in it.</exception>
    public static string ReadDatabase(string path)
    {
        try
        {
            var text = File.ReadAllText(path).Trim();
            return text.Length > 0 ? text : throw new InputException("database-file", path, $"'{path}' is empty.", "Write the connection string of the PostgreSQL database into it.");
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new InputException("database-file", path, $"'{path}' could not be read: {cause.Message}", "Name a file that holds the connection string of the PostgreSQL database.");
        }
    }

    /// <exception cref="InputException">The options contradict each other.</exception>
    internal void Check()
    {
        if (Leases.LongPoll + s_margin > ResponseTimeout)
        {
            throw new InputException(
                "response-timeout", "leases", $"A lease request waits {Leases.LongPoll.TotalSeconds} s, a call between silos is lost after {ResponseTimeout.TotalSeconds} s.",
                $"Leave at least {s_margin.TotalSeconds} s between the two.");
        }
    }
}
