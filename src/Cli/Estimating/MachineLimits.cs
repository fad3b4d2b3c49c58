using System.Globalization;

namespace Orchestrator.Cli.Estimating;

/// <summary>What this machine has for a job.</summary>
/// <param name="MemoryBytes">Memory that the process may use, limits of its control group included.</param>
/// <param name="FreeDiskBytes">Free bytes on the volume of a folder, which need not exist yet.</param>
internal sealed record MachineLimits(long MemoryBytes, Func<string, long> FreeDiskBytes)
{
    private const string GroupsOfProcess = "/proc/self/cgroup";
    private const string Groups = "/sys/fs/cgroup";
    private const string Version2 = "memory.max";
    private const string Version1 = "memory.limit_in_bytes";

    public static MachineLimits OfThisMachine() => new(MemoryOfThisMachine(), FreeDisk);

    /// <summary>Folders of the control groups that a process is in, from the text of <c>/proc/self/cgroup</c>: its own and all above.</summary>
    internal static IEnumerable<string> GroupFolders(string text)
    {
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split(':', 3) is not [_, var controllers, var path] || (controllers.Length > 0 && !controllers.Split(',').Contains("memory")))
                continue;
            var root = controllers.Length > 0 ? $"{Groups}/memory" : Groups;
            for (var folder = path.TrimEnd('/'); ; folder = folder[..folder.LastIndexOf('/')])
            {
                yield return root + folder;
                if (folder.Length == 0)
                    break;
            }
        }
    }

    private static long MemoryOfThisMachine()
    {
        var limit = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        try
        {
            foreach (var folder in GroupFolders(File.ReadAllText(GroupsOfProcess)))
            {
                foreach (var file in (string[])[Version2, Version1])
                {
                    var path = Path.Combine(folder, file);
                    if (File.Exists(path) && long.TryParse(File.ReadAllText(path), CultureInfo.InvariantCulture, out var bytes))
                        limit = Math.Min(limit, bytes);
                }
            }
        }
        catch (Exception noGroups) when (noGroups is IOException or UnauthorizedAccessException)
        {
            // Not Linux, or a sandbox: the runtime's figure stands.
        }

        return limit;
    }

    private static long FreeDisk(string folder)
    {
        var existing = folder;
        while (!Directory.Exists(existing))
            existing = Path.GetDirectoryName(existing) ?? Path.GetPathRoot(folder)!;
        return new DriveInfo(existing).AvailableFreeSpace;
    }
}
