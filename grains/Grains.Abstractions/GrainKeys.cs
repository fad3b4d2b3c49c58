namespace Orchestrator.Grains.Abstractions;

/// <summary>Keys of grains. Every job's grains share a prefix.</summary>
public static class GrainKeys
{
    /// <summary>The one scheduler of a coordinator.</summary>
    public const string Scheduler = "scheduler";

    public static string Model(string jobId) => $"model/{jobId}";

    /// <param name="block">Place in the plan's blocks.</param>
    public static string Block(string jobId, int block) => $"block/{jobId}/{block}";

    /// <param name="layer">Place in the plan's layers.</param>
    public static string Layer(string jobId, int layer) => $"layer/{jobId}/{layer}";
}
