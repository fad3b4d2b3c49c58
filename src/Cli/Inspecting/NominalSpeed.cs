namespace Orchestrator.Cli.Inspecting;

/// <summary>Round figures that estimates are made from. They decide nothing: units are cut by nominal cost, and the ETA measures for itself.</summary>
internal static class NominalSpeed
{
    /// <summary>Nominal operations that one core of today's servers does in a second over a whole job.</summary>
    public const double FlopsPerCore = 1.5e10;

    /// <summary>Runtime, libraries and caches.</summary>
    public const double ProcessBytes = 150e6;

    /// <summary>Hessians that are gathered together in one run of the graph, at most.</summary>
    public const double GatheredBytes = 256L << 20;
}
