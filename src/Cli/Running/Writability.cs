using Orchestrator.Jobs;

namespace Orchestrator.Cli.Running;

/// <summary>Finds out beforehand whether a folder can be written, and leaves nothing behind.</summary>
internal static class Writability
{
    /// <param name="folder">Absolute; need not exist yet.</param>
    /// <exception cref="InputException">With <paramref name="code"/>: something that is no folder is in the way, or the file system refuses.</exception>
    public static void Check(string folder, string code, string remedy)
    {
        var existing = folder;
        while (!Directory.Exists(existing))
        {
            if (File.Exists(existing))
                throw new InputException(code, folder, $"'{existing}' is a file, not a folder", remedy);
            existing = Path.GetDirectoryName(existing)
                ?? throw new InputException(code, folder, "no part of this path exists", remedy);
        }

        try
        {
            var probe = Path.Combine(existing, $".orc-{Guid.NewGuid():N}");
            using var file = new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw new InputException(code, folder, $"the folder '{existing}' cannot be written: {refused.Message}", remedy, refused);
        }
    }
}
