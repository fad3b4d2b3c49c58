using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>Tests that share one emulator; each uses a container of its own.</summary>
[CollectionDefinition(Name)]
public sealed class AzuriteTests : ICollectionFixture<AzuriteFixture>
{
    public const string Name = "Azurite";
}
