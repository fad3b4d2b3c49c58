using System.Globalization;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>Heads as folders of numbered versions; the highest number is the current one.</summary>
/// <remarks>
/// A writer that slept may create a number that was cleaned up meanwhile; its version is never the highest, so nobody reads it. Since
/// no young version is cleaned up, only one that slept for long need ask itself whether it is such a writer.
/// </remarks>
internal sealed class FileHeads(FileBlobStore store, TimeProvider clock)
{
    /// <summary>Old versions that stay, whatever their age.</summary>
    private const int Kept = 16;

    /// <summary>Younger versions stay.</summary>
    private static readonly TimeSpan s_settled = TimeSpan.FromHours(1);

    /// <summary>A replacement that took no longer met no number that was cleaned up, even where clocks differ by as much.</summary>
    private static readonly TimeSpan s_certain = s_settled / 2;

    private const string NumberFormat = "D12";

    public static async Task<Blob?> ReadAsync(string folder, CancellationToken cancellationToken)
    {
        while (Highest(folder) is { } version)
        {
            // The file may be cleaned up between the look and the read; then there is a higher one.
            if (await FileBlobStore.ReadFileAsync(VersionPath(folder, version), cancellationToken) is { } content)
                return new Blob(content, ETagOf(version));
        }

        return null;
    }

    public async Task<string?> ReplaceAsync(string folder, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
    {
        var begun = clock.GetTimestamp();
        var current = Highest(folder);
        if ((current is { } c ? ETagOf(c) : null) != etag)
            return null;
        var next = (current ?? 0) + 1;
        if (!await store.CreateFileAsync(VersionPath(folder, next), (stream, token) => stream.WriteAsync(content, token).AsTask(), cancellationToken))
            return null;
        // The number was free because others had it and cleaned it up, or they went on from ours: nobody can tell.
        if (clock.GetElapsedTime(begun) >= s_certain && (Highest(folder) ?? next) >= next + Kept)
            return null;
        CleanUp(folder, next);
        return ETagOf(next);
    }

    private void CleanUp(string folder, long newest)
    {
        var settled = (clock.GetUtcNow() - s_settled).UtcDateTime;
        foreach (var old in Versions(folder).Where(version => version <= newest - Kept).Order().Select(version => VersionPath(folder, version)))
        {
            if (File.GetLastWriteTimeUtc(old) > settled)
                break;
            File.Delete(old);
        }
    }

    public static void Delete(string folder, StableStorage storage)
    {
        // Lowest first: as long as any is left the highest is the one that was current.
        foreach (var version in Versions(folder).Order())
            storage.Delete(VersionPath(folder, version));
        if (Directory.Exists(folder))
            storage.FlushFolder(folder);
    }

    /// <returns>The current version's file, or null where there is none.</returns>
    public static FileInfo? Current(string folder) => Highest(folder) is { } version ? new FileInfo(VersionPath(folder, version)) : null;

    private static long? Highest(string folder)
    {
        long? highest = null;
        foreach (var version in Versions(folder))
            highest = highest > version ? highest : version;
        return highest;
    }

    private static IEnumerable<long> Versions(string folder) => Directory.Exists(folder)
        ? Directory.EnumerateFiles(folder).Select(f => long.TryParse(Path.GetFileName(f), NumberStyles.None, null, out var version) ? version : 0).Where(v => v > 0)
        : [];

    private static string VersionPath(string folder, long version) => Path.Combine(folder, version.ToString(NumberFormat));

    private static string ETagOf(long version) => version.ToString();
}
