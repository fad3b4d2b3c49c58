using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Stores;

/// <summary>A store that a verb looks into: it must be there, and is not created.</summary>
internal static class StoreFolder
{
    /// <exception cref="InputException"><c>store-not-found</c>.</exception>
    public static FileBlobStore Open(string path)
    {
        if (!Directory.Exists(path))
            throw new InputException("store-not-found", path, File.Exists(path) ? "This is a file." : "There is no such folder.", "Give the folder that `orc run` was given as --store.");
        return FileBlobStore.OpenExisting(path);
    }
}
