using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.TestKit;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>The contract over an emulator.</summary>
[NeedsAzurite]
[Collection(AzuriteTests.Name)]
public sealed class AzureBlobStoreTests(AzuriteFixture azurite) : BlobStoreContract, IAsyncLifetime
{
    /// <summary>Small, so that a test's content has many.</summary>
    private const int BlockBytes = 1 << 16;

    private readonly string _container = $"test-{Guid.NewGuid():n}";
    private AzureBlobStore? _store;
    private AzureBlobStore? _other;

    protected override IBlobStore Store => _store!;

    protected override IBlobStore Other => _other!;

    public async Task InitializeAsync()
    {
        if (AzuriteServer.Missing is not null)
            return;
        var options = AzuriteServer.Options with { BlockBytes = BlockBytes };
        _store = await azurite.Server.OpenAsync(_container, options);
        _other = await azurite.Server.OpenAsync(_container, options);
    }

    public Task DisposeAsync() => Task.CompletedTask;
}
