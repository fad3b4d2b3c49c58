using Orchestrator.Cli.Progress;

namespace Orchestrator.Cli.Cluster;

/// <summary>Bytes that move, as a progress view takes them.</summary>
internal static class ByteProgress
{
    private const int MiB = 20;

    public static ProgressSnapshot Of(string phase, long done, long total, string file) =>
        new(phase, (int)(done >> MiB), (int)((total + (1 << MiB) - 1) >> MiB), 0, done, 0, total, file, "MiB");
}
