namespace Orchestrator.Checkpoints.Blobs;

/// <summary>What a volume takes to make writes safe, measured where a store will be.</summary>
/// <param name="Seconds">Mean wall time of one flush, of a small file or of a folder.</param>
/// <param name="BytesPerSecond">Of a large file.</param>
public sealed record FlushTrial(double Seconds, double BytesPerSecond)
{
    private const int Rounds = 8;
    private const int FlushesOfRound = 2;
    private const int SmallBytes = 4 << 10;
    private const int LargeBytes = 8 << 20;

    /// <summary>The volume of a folder that need not exist yet. The files are deleted before they are written, so nothing is left even by a process that is killed.</summary>
    /// <returns>Null where the volume cannot be written, is full or takes no file of that size.</returns>
    public static FlushTrial? Of(string folder, TimeProvider clock)
    {
        var existing = Path.GetFullPath(folder);
        while (!Directory.Exists(existing))
        {
            if (Path.GetDirectoryName(existing) is not { } above)
                return null;
            existing = above;
        }

        try
        {
            return Measure(existing, clock);
        }
        catch (Exception refused) when (StorageFailure.IsOfFileSystem(refused))
        {
            return null;
        }
    }

    private static FlushTrial Measure(string folder, TimeProvider clock)
    {
        var storage = new StableStorage();
        var started = clock.GetTimestamp();
        for (var round = 0; round < Rounds; round++)
        {
            Write(folder, SmallBytes);
            storage.FlushFolder(folder);
        }

        var flush = clock.GetElapsedTime(started).TotalSeconds / (Rounds * FlushesOfRound);
        started = clock.GetTimestamp();
        Write(folder, LargeBytes);
        var large = Math.Max(clock.GetElapsedTime(started).TotalSeconds - flush, 1e-6);
        return new FlushTrial(flush, LargeBytes / large);
    }

    private static void Write(string folder, int bytes)
    {
        var path = Path.Combine(folder, $".probe-{Guid.NewGuid():n}");
        using var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.Delete, 1, FileOptions.DeleteOnClose);
        // An open file of Windows cannot lose its name; there it goes when it is closed.
        if (!OperatingSystem.IsWindows())
            File.Delete(path);
        file.Write(new byte[bytes]);
        file.Flush(flushToDisk: true);
    }
}
