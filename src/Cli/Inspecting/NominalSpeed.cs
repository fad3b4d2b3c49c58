namespace Orchestrator.Cli.Inspecting;

/// <summary>Round figures that estimates are made from. They decide nothing: units are cut by nominal cost, and the ETA measures for itself.</summary>
internal static class NominalSpeed
{
    /// <summary>Nominal operations that one core of today's servers does in a second over a whole job.</summary>
    public const double FlopsPerCore = 3.5e10;

    /// <summary>Runtime and libraries.</summary>
    public const double ProcessBytes = 250e6;

    /// <summary>Blobs that a worker keeps in memory, at most.</summary>
    public const double CacheBytes = 512L << 20;

    /// <summary>Samples that a graph sees at once.</summary>
    public const int Batch = 64;

    /// <summary>Hessians that are gathered together in one run of the graph, at most.</summary>
    public const double GatheredBytes = 256L << 20;
}
