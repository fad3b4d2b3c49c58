namespace Orchestrator.Server.Protocol;

public enum ServerRole
{
    /// <summary>Waits to take over; refuses everything but <see cref="Routes.Server"/> with 503 and names the active server.</summary>
    Standby = 1,

    Active = 2,
}

/// <param name="Active">Address of the active server as far as is known.</param>
/// <param name="Term">Raised at every take-over.</param>
public sealed record ServerView(string Name, string Version, ServerRole Role, Uri? Active, long Term);

/// <param name="State"><c>available</c>, <c>busy</c>, <c>draining</c> or <c>offline</c>.</param>
/// <param name="Heard">Seconds since it was heard of last.</param>
public sealed record WorkerView(string Name, string State, int Slots, int Leases, IReadOnlyList<string> Profiles, IReadOnlyList<string> Devices, double Heard, string Version);

/// <summary>How a refusal looks, whatever refused.</summary>
public sealed record ProblemBody(string Code, string Message, string Subject, string Remedy);
