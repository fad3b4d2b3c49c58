namespace Orchestrator.Grains.Abstractions;

/// <summary>Keys of grains: kind, tenant, job. Tenants may have equal jobs.</summary>
public static class GrainKeys
{
    /// <summary>The one scheduler of a coordinator, for all tenants.</summary>
    public const string Scheduler = "scheduler";

    public static string Model(string tenant, string jobId) => $"model/{tenant}/{jobId}";

    /// <param name="block">Place in the plan's blocks.</param>
    public static string Block(string tenant, string jobId, int block) => $"block/{tenant}/{jobId}/{block}";

    /// <param name="layer">Place in the plan's layers.</param>
    public static string Layer(string tenant, string jobId, int layer) => $"layer/{tenant}/{jobId}/{layer}";

    /// <summary>The model of the job that a grain belongs to; null for a grain of all jobs.</summary>
    public static string? ModelOf(string key) => key.Split('/') is [_, var tenant, var job, ..] ? Model(tenant, job) : null;

    /// <summary>Whose state a grain's is, and its name there.</summary>
    /// <returns>No tenant for a grain of all tenants.</returns>
    public static (string? Tenant, string Name) StateOf(string key) =>
        key.Split('/', 3) is [var kind, var tenant, var rest] ? (tenant, $"{kind}/{rest}") : (null, key);
}
