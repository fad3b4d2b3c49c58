using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Abstractions;

/// <summary>
/// Paths of the worker protocol. A server that is not the active one answers 503, and the worker asks the next; one that does not know
/// the worker answers 404, and the worker registers and asks again.
/// </summary>
public static class WorkerRoutes
{
    /// <summary>POST <see cref="WorkerRegistration"/>; answers <see cref="WorkerTerms"/>.</summary>
    public const string Registrations = "/v1/worker/registrations";

    /// <summary>POST <see cref="LeaseRequest"/>; answers <see cref="Lease"/>s, after a while with none.</summary>
    public const string Leases = "/v1/worker/leases";

    /// <summary>POST <see cref="Heartbeat"/>; answers the renewed epochs.</summary>
    public const string Heartbeats = "/v1/worker/heartbeats";

    /// <summary>POST <see cref="Completion"/>; answers whether it was accepted.</summary>
    public const string Completions = "/v1/worker/completions";

    /// <summary>POST <see cref="GrantRequest"/>; answers <see cref="BlobGrant"/>s.</summary>
    public const string Grants = "/v1/worker/grants";

    /// <summary>DELETE: the worker drains and takes no more units.</summary>
    public static string Registration(string worker) => $"{Registrations}/{Uri.EscapeDataString(worker)}";
}
