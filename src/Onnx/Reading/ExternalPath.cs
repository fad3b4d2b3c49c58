namespace Orchestrator.Onnx.Reading;

/// <summary>Where a tensor's file lies: below the model's folder with every symbolic link resolved, or nowhere.</summary>
internal static class ExternalPath
{
    private const int MaxLinks = 40;
    private const int MaxLength = 4096;

    private static readonly string[] s_devices = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];

    /// <summary>The path without links.</summary>
    /// <exception cref="OnnxException">Absolute, on a drive or share, upwards, through a link that leads out, or not there.</exception>
    public static string Resolve(string tensor, string? folder, string location)
    {
        if (folder is null)
            throw new OnnxException(tensor, "the tensor lies in an external file, but the model was not read from a folder");
        var segments = location.Split('/', '\\');
        if (location.Length is 0 or > MaxLength || Path.IsPathRooted(location) || location.Contains(':') || location.Any(char.IsControl)
            || segments.Any(s => s is ".." or "" || IsDevice(s)))
            throw new OnnxException(
                tensor, $"external data path '{Printable(location)}' must be relative and stay inside the model's folder", "Put the file beside the model and name it by its plain name.");

        var root = RealPath(Path.GetFullPath(folder));
        var path = Path.Combine(root, Path.Combine(segments));
        if (!Path.Exists(path))
            throw new OnnxException(tensor, $"external data file '{location}' does not exist in the model's folder");
        var real = RealPath(path);
        return IsBelow(real, root)
            ? real
            : throw new OnnxException(tensor, $"external data path '{location}' leaves the model's folder through a symbolic link", "Copy the file into the model's folder.");
    }

    /// <summary>Whether the open file is the one that was asked for: below the folder, and known by no other name.</summary>
    /// <exception cref="OnnxException">It is a hard link, or was exchanged since the path was resolved.</exception>
    public static void CheckOpened(string tensor, string path, Microsoft.Win32.SafeHandles.SafeFileHandle handle)
    {
        if (RegularFile.Links(handle) > 1)
            throw new OnnxException(tensor, $"external data file '{Path.GetFileName(path)}' has more than one name in the file system (hard links)", "Copy the file.");
        if (RegularFile.Location(handle) is { } location && location != path)
            throw new OnnxException(tensor, $"external data file '{Path.GetFileName(path)}' was exchanged while it was opened");
    }

    private static bool IsBelow(string path, string root) =>
        path.StartsWith(root.TrimEnd(Path.DirectorySeparatorChar) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    /// <summary>Names that mean a device on Windows in any folder and with any ending, and endings that Windows drops.</summary>
    private static bool IsDevice(string segment)
    {
        var stem = segment.Split('.')[0].TrimEnd(' ');
        return (segment != "." && segment[^1] is '.' or ' ') || s_devices.Contains(stem, StringComparer.OrdinalIgnoreCase)
            || (stem.Length == 4 && char.IsDigit(stem[3]) && (stem.StartsWith("COM", StringComparison.OrdinalIgnoreCase) || stem.StartsWith("LPT", StringComparison.OrdinalIgnoreCase)));
    }

    private static string Printable(string text)
    {
        const int Shown = 100;
        var printable = string.Concat(text.Take(Shown).Select(c => char.IsControl(c) ? '?' : c));
        return text.Length > Shown ? printable + "…" : printable;
    }

    /// <summary>The path with the links of every component followed, not of the last one only.</summary>
    private static string RealPath(string path, int depth = 0)
    {
        if (depth > MaxLinks)
            throw new OnnxException(path, "symbolic links go round in a circle");
        var real = Path.GetPathRoot(path)!;
        foreach (var part in path[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries))
        {
            real = Path.Combine(real, part);
            if (LinkTarget(real) is { } target)
                real = RealPath(target, depth + 1);
        }
        return real;
    }

    private static string? LinkTarget(string path)
    {
        try
        {
            return new FileInfo(path).ResolveLinkTarget(returnFinalTarget: false)?.FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(path, $"a symbolic link cannot be followed: {e.Message}", e);
        }
    }
}
