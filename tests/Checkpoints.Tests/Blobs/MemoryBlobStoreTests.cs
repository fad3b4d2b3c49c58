using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Tests.Blobs;

public sealed class MemoryBlobStoreTests : BlobStoreContract
{
    private readonly MemoryBlobStore _store = new();

    protected override IBlobStore Store => _store;

    protected override IBlobStore Other => _store;
}
