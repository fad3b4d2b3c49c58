namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>What a grant lets its holder do with one blob.</summary>
public enum BlobAccess
{
    /// <summary>Read it.</summary>
    Read,

    /// <summary>Create it where it is not there: never overwrite, never delete.</summary>
    Create,
}

/// <summary>Grants the right to one blob until a time, and to nothing else.</summary>
public interface IBlobGrants
{
    /// <returns>A secret: whoever has it may do what was granted until it expires.</returns>
    /// <exception cref="StoreAccessException">The store was opened with credentials that cannot grant.</exception>
    public Task<Uri> GrantAsync(string name, BlobAccess access, DateTimeOffset until, CancellationToken cancellationToken);
}
