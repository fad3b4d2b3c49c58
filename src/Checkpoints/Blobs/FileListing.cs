namespace Orchestrator.Checkpoints.Blobs;

/// <summary>The blobs below a folder in the order of their names, one folder in memory at a time.</summary>
internal static class FileListing
{
    /// <param name="above">The folder's name in the store: empty, or with a slash at its end.</param>
    public static IEnumerable<BlobEntry> Walk(string folder, string above, string prefix)
    {
        foreach (var item in Items(folder))
        {
            var name = above + item.Name;
            var isFolder = item is DirectoryInfo && !BlobName.IsHead(item.Name);
            if (isFolder ? !Overlap(name + "/", prefix) : !name.StartsWith(prefix, StringComparison.Ordinal))
                continue;
            if (isFolder)
            {
                foreach (var entry in Walk(item.FullName, name + "/", prefix))
                    yield return entry;
            }
            else if ((item as FileInfo ?? FileHeads.Current(item.FullName)) is { } file && Entry(name, file) is { } entry)
            {
                yield return entry;
            }
        }
    }

    private static FileSystemInfo[] Items(string folder)
    {
        try
        {
            var items = new DirectoryInfo(folder).EnumerateFileSystemInfos().Where(i => i.Name[0] != '.').ToArray();
            // What is in a folder sorts as the folder's name with a slash.
            Array.Sort(items, (a, b) => string.CompareOrdinal(Key(a), Key(b)));
            return items;
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static string Key(FileSystemInfo item) => item is DirectoryInfo && !BlobName.IsHead(item.Name) ? item.Name + "/" : item.Name;

    private static bool Overlap(string name, string prefix) =>
        name.StartsWith(prefix, StringComparison.Ordinal) || prefix.StartsWith(name, StringComparison.Ordinal);

    private static BlobEntry? Entry(string name, FileInfo file)
    {
        try
        {
            return new BlobEntry(name, file.Length, file.LastWriteTimeUtc);
        }
        catch (FileNotFoundException)
        {
            // Deleted meanwhile.
            return null;
        }
    }
}
