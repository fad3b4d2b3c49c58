using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>A blob that a committed record names is missing or does not have its SHA-256. Its unit has to run again.</summary>
public sealed class DamagedBlobException(BlobRef blob, string cause)
    : Exception($"Blob '{blob.Name}' is damaged: {cause}. The unit that made it runs again.")
{
    public BlobRef Blob { get; } = blob;

    /// <summary>It is not there at all.</summary>
    public bool IsMissing { get; init; }
}
