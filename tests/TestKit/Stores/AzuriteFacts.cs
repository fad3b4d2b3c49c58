using Xunit;

namespace Orchestrator.TestKit.Stores;

/// <summary>A fact that needs the emulator; skipped where it is not installed.</summary>
public sealed class AzuriteFactAttribute : FactAttribute
{
    public AzuriteFactAttribute() => Skip = AzuriteServer.Missing;
}

/// <summary>A theory that needs the emulator; skipped where it is not installed.</summary>
public sealed class AzuriteTheoryAttribute : TheoryAttribute
{
    public AzuriteTheoryAttribute() => Skip = AzuriteServer.Missing;
}

/// <summary>One emulator for the tests of a collection; none where it is not installed.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    private AzuriteServer? _server;

    public AzuriteServer Server => _server ?? throw new InvalidOperationException(AzuriteServer.Missing);

    public async Task InitializeAsync()
    {
        if (AzuriteServer.Missing is null)
            _server = await AzuriteServer.StartAsync();
    }

    public async Task DisposeAsync()
    {
        if (_server is not null)
            await _server.DisposeAsync();
    }
}
