namespace Orchestrator.Checkpoints.Blobs;

/// <summary>Unfinished files of processes that were killed.</summary>
internal static class FileLeftovers
{
    /// <summary>No write takes this long; a younger file may belong to a process that still runs.</summary>
    private static readonly TimeSpan s_abandonedAfter = TimeSpan.FromDays(1);

    public static void Delete(string folder, TimeProvider clock)
    {
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            if (clock.GetUtcNow() - file.LastWriteTimeUtc > s_abandonedAfter)
                file.Delete();
        }
    }
}
