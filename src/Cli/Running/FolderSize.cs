namespace Orchestrator.Cli.Running;

/// <summary>Bytes of all files below a folder.</summary>
internal static class FolderSize
{
    /// <summary>0 where there is no such folder. Files that vanish meanwhile do not count.</summary>
    public static long Of(string folder)
    {
        var root = new DirectoryInfo(folder);
        if (!root.Exists)
            return 0;
        var options = new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint };
        return root.EnumerateFiles("*", options).Sum(Length);
    }

    private static long Length(FileInfo file)
    {
        try
        {
            return file.Length;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
