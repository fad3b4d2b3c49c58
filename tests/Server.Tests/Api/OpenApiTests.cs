using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit;

namespace Orchestrator.Server.Tests.Api;

public sealed class OpenApiTests
{
    [Fact]
    public async Task The_API_is_described_as_it_was_Golden()
    {
        await using var server = await TestServer.StartAsync(new MemoryBlobStore());
        using var client = server.Client();

        GoldenFile.MatchesJson("Server.Tests", "openapi.json", await client.GetByteArrayAsync(Routes.OpenApi));
    }

    [Fact]
    public async Task Every_endpoint_is_described()
    {
        await using var server = await TestServer.StartAsync(new MemoryBlobStore());
        using var client = server.Client();
        var described = await client.GetStringAsync(Routes.OpenApi);

        Assert.All(server.Endpoints().Where(e => e.Path != Routes.OpenApi), e => Assert.Contains($"\"{e.Path}\"", described, StringComparison.Ordinal));
    }
}
