using Orchestrator.Cli.Stores;

namespace Orchestrator.Cli.Running;

/// <summary>The options of <c>orc run</c>; paths absolute.</summary>
internal sealed record RunOptions
{
    public required string Recipe { get; init; }

    /// <summary>Null: <c>.orchestrator/store</c> beside the recipe.</summary>
    public StoreOpening? Store { get; init; }

    /// <summary>Null: the recipe's <c>output.folder</c>.</summary>
    public string? Out { get; init; }

    public required int Slots { get; init; }

    /// <summary><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>webgpu</c>.</summary>
    public required string Device { get; init; }

    /// <summary>Numeric profile to force; null takes the machine's best.</summary>
    public string? Profile { get; init; }

    public bool Fresh { get; init; }
    public bool DryRun { get; init; }
}
