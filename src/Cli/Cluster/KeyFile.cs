using Orchestrator.Jobs;

namespace Orchestrator.Cli.Cluster;

/// <summary>A key to show to a server: one line of a file, never of the command line, which everyone on a machine can read.</summary>
internal static class KeyFile
{
    private const int LongestKey = 4096;
    private const string Code = "key-file-invalid";

    private const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    /// <param name="path">Absolute.</param>
    /// <param name="warn">Told in words where others can read the key.</param>
    /// <exception cref="InputException">No such file, or no key in it.</exception>
    public static string Read(string path, Action<string> warn)
    {
        string[] lines;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > LongestKey })
                throw new InputException(Code, path, $"a key has at most {LongestKey} characters", "Is this the right file?");
            lines = [.. File.ReadLines(path).Select(line => line.Trim()).Where(line => line.Length > 0).Take(2)];
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new InputException(Code, path, $"the key cannot be read: {unreadable.Message}", "Give the path of a file that holds the key, on one line.", unreadable);
        }

        if (lines is not [var key] || !key.All(letter => letter is > ' ' and <= '~'))
            throw new InputException(Code, path, "this is not one line of printable characters without spaces", "Give the path of a file that holds the key alone, on one line.");
        if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & Others) != 0)
            warn($"others on this machine can read the key in '{path}': chmod 600 it");
        return key;
    }
}
