using System.Globalization;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>Heads as folders of numbered versions; the highest number is the current one.</summary>
internal sealed class FileHeads(FileBlobStore store)
{
    /// <summary>
    /// Old versions kept. A writer that slept may create a number that was cleaned up meanwhile; its version is never the highest, so
    /// nobody reads it, and it learns so by seeing that the highest is at least this far ahead.
    /// </summary>
    private const int Kept = 16;

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
        var current = Highest(folder);
        if ((current is { } c ? ETagOf(c) : null) != etag)
            return null;
        var next = (current ?? 0) + 1;
        if (!await store.CreateFileAsync(VersionPath(folder, next), (stream, token) => stream.WriteAsync(content, token).AsTask(), cancellationToken))
            return null;
        var highest = Highest(folder) ?? next;
        if (highest >= next + Kept)
            return null;
        for (var old = next - Kept; old > 0 && File.Exists(VersionPath(folder, old)); old--)
            File.Delete(VersionPath(folder, old));
        return ETagOf(next);
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
