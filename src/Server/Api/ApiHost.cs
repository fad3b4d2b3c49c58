using System.Net;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>The API on its listener. Holds no state: that is the node's.</summary>
public sealed class ApiHost : IAsyncDisposable
{
    private readonly WebApplication _application;

    private ApiHost(WebApplication application) => _application = application;

    /// <summary>Where it listens, once it has started: port 0 is a free one.</summary>
    public Uri Address => new(_application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());

    public IServiceProvider Services => _application.Services;

    /// <param name="listen">Scheme, host and port.</param>
    /// <param name="configure">Adds what the composition root brings: telemetry, logs, a test's server.</param>
    /// <exception cref="InputException"><c>keys-missing</c>: an address that others reach, and no keys.</exception>
    public static ApiHost Create(ApiParts parts, Uri listen, Action<WebApplicationBuilder>? configure = null)
    {
        Check(parts.Keys, listen);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(listen.GetLeftPart(UriPartial.Authority));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = Requests.SmallBody;
        });
        builder.Services.ConfigureHttpJsonOptions(json => Imitate(json.SerializerOptions));
        builder.Services.AddOpenApi("v1", ApiDescription.Configure);
        configure?.Invoke(builder);
        var application = builder.Build();
        application.UseMiddleware<Problems>(parts);
        application.UseRouting();
        application.UseMiddleware<AccessGate>(parts);
        Map(application, parts);
        return new ApiHost(application);
    }

    /// <exception cref="InputException"><c>keys-missing</c>: an address that others reach, and no keys.</exception>
    public static void Check(KeyRing? keys, Uri listen)
    {
        if (keys is null && !IsLoopback(listen))
            throw new InputException("keys-missing", listen.ToString(), "Without keys the server listens on loopback only: whoever reaches it may do everything.", "Give --keys FILE, or listen on http://127.0.0.1:PORT.");
    }

    public Task StartAsync(CancellationToken cancellationToken) => _application.StartAsync(cancellationToken);

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private static void Map(IEndpointRouteBuilder routes, ApiParts parts)
    {
        new ServerEndpoints(parts).Map(routes);
        new WorkerEndpoints(parts).Map(routes);
        new BlobEndpoints(parts).Map(routes);
        new JobEndpoints(parts).Map(routes);
        routes.MapOpenApi(Routes.OpenApi).WithMetadata(Access.Everyone);
    }

    private static bool IsLoopback(Uri listen) => listen.Host == "localhost" || (IPAddress.TryParse(listen.Host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address));

    /// <summary>Schemas are told as bodies are written.</summary>
    private static void Imitate(System.Text.Json.JsonSerializerOptions options)
    {
        var canonical = CanonicalJson.Options;
        options.PropertyNamingPolicy = canonical.PropertyNamingPolicy;
        options.DefaultIgnoreCondition = canonical.DefaultIgnoreCondition;
        options.Encoder = canonical.Encoder;
        options.MaxDepth = canonical.MaxDepth;
        options.NumberHandling = JsonNumberHandling.Strict;
        foreach (var converter in canonical.Converters)
            options.Converters.Add(converter);
    }
}
