namespace Orchestrator.Checkpoints.Blobs;

/// <summary>Unfinished files of processes that were killed.</summary>
internal static class FileLeftovers
{
    /// <summary>No write takes this long; a younger file may belong to a process that still runs.</summary>
    public static readonly TimeSpan AbandonedAfter = TimeSpan.FromDays(1);

    public static (int Count, long Bytes) Delete(string folder, DateTimeOffset before, bool dryRun)
    {
        var (count, bytes) = (0, 0L);
        if (!Directory.Exists(folder))
            return (count, bytes);
        foreach (var file in new DirectoryInfo(folder).EnumerateFiles())
        {
            if (file.LastWriteTimeUtc >= before)
                continue;
            (count, bytes) = (count + 1, bytes + file.Length);
            if (!dryRun)
                file.Delete();
        }

        return (count, bytes);
    }
}
