namespace Orchestrator.Checkpoints;

/// <summary>Whose commits a job shares.</summary>
/// <param name="Tenant">First segment of every name; <c>local</c> in embedded mode.</param>
/// <param name="JobId">The plan's name.</param>
/// <param name="Generation">0 shares commits with all jobs of the tenant; a higher one belongs to the job alone and starts empty.</param>
public sealed record JobScope(string Tenant, string JobId, int Generation);
