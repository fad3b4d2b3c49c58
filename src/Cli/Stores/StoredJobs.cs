using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Cli.Stores;

/// <summary>The jobs of a store.</summary>
internal static class StoredJobs
{
    public static async IAsyncEnumerable<(string Tenant, string Id)> ListAsync(IBlobStore store, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = ("", "");
        await foreach (var entry in store.ListAsync("", cancellationToken))
        {
            // A plan that was written anew lies beside the damaged one.
            if (StoredName.Of(entry.Name) is { Kind: StoredKind.Plan, Scope: { } scope } && last != (scope.Tenant, scope.JobId))
                yield return last = (scope.Tenant, scope.JobId);
        }
    }

    /// <summary>A job's documents; what is damaged is null.</summary>
    public static async Task<(JobPlan? Plan, JobScope? Scope, EndRecord? End)> ReadAsync(CheckpointStore checkpoints, string tenant, string id, CancellationToken cancellationToken)
    {
        try
        {
            var plan = await checkpoints.ReadPlanAsync(tenant, id, cancellationToken);
            var scope = await checkpoints.ReadScopeAsync(tenant, id, cancellationToken);
            return (plan, scope, await checkpoints.ReadLastEndAsync(scope, cancellationToken));
        }
        catch (InputException damaged) when (damaged.Code == "store-damaged")
        {
            return (null, null, null);
        }
    }
}
