using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Worker.Caching;

/// <summary>A disk of this worker has no room; another worker's may.</summary>
public sealed class DiskFullException(string message, Exception? inner = null) : IOException(message, inner)
{
    private const int NoSpace = 28;
    private const int Quota = 122;

    /// <summary>Whether a failure says that there is no space left on a disk, or that a file may not grow any more.</summary>
    public static bool Is(Exception failure) => failure is DiskFullException or IOException { HResult: NoSpace or Quota } || StoreException.IsOfFileLimit(failure);
}
