using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Serving;

/// <summary>This program was built without Orleans.</summary>
internal static class SiloGrains
{
    /// <exception cref="InputException">Always.</exception>
    public static void Check(ClusterOptions cluster) => throw Missing();

    /// <exception cref="InputException">Always.</exception>
    public static Task<IServedGrains> StartAsync(IBlobStore store, ClusterOptions cluster, TimeProvider clock, GrainTelemetry telemetry, CancellationToken cancellationToken) =>
        throw Missing();

    private static InputException Missing() => new(
        "orleans-missing", "--cluster", "This program was built without Orleans.",
        "Leave --cluster out: one server is active and the others stand by. Or build with -p:UseOrleans=true where the feed has all of Orleans.");
}
