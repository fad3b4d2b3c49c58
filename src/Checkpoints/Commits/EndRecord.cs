using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>The end of one run of a job. Create-only: of two processes one ends it, the other reads how.</summary>
/// <param name="Run">Runs are counted from 0; a job that did not succeed may be run again.</param>
/// <param name="Manifest">The manifest's blob.</param>
public sealed record EndRecord(string Plan, int Run, JobStatus Status, string? Reason, BlobRef Manifest)
{
    public const int CurrentSchema = 1;
}

/// <summary>What a run came to: the fold of its commits.</summary>
/// <param name="Model">The written model; null where there is none.</param>
/// <param name="Units">Number of committed units.</param>
/// <param name="Fold">Hex SHA-256 over key and output digests of every committed unit in the order of their ids: equal for equal results.</param>
public sealed record Manifest(string Plan, BlobRef? Model, int Units, string Fold)
{
    public const int CurrentSchema = 1;
}
