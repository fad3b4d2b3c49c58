using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

/// <summary>A server on a free port of this machine whose answers a test writes.</summary>
internal sealed class FakeServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _requests = [];
    private readonly WebApplication _application;

    private FakeServer(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Services.Configure<KestrelServerOptions>(options => options.Limits.MaxRequestBodySize = null);
        _application = builder.Build();
        _application.Run(async context =>
        {
            _requests.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
            await answer(context);
        });
    }

    public string Address => _application.Urls.Single();

    /// <summary>Method and path of all that came so far.</summary>
    public IReadOnlyList<string> Requests => [.. _requests];

    public static async Task<FakeServer> StartAsync(RequestDelegate answer)
    {
        var server = new FakeServer(answer);
        await server._application.StartAsync();
        return server;
    }

    /// <summary>Answers by method and path, 404 to all else.</summary>
    public static Task<FakeServer> AnswersAsync(Dictionary<string, RequestDelegate> answers) => StartAsync(context =>
        answers.TryGetValue($"{context.Request.Method} {context.Request.Path}", out var answer)
            ? answer(context)
            : RefuseAsync(context, 404, new ProblemBody("job-not-found", "There is no such job.", context.Request.Path, "See `orc list`.")));

    /// <summary>An address that nobody listens at.</summary>
    public static async Task<string> NowhereAsync()
    {
        await using var gone = await AnswersAsync([]);
        return gone.Address;
    }

    public static RequestDelegate Json<T>(T value) => context => WriteAsync(context, 200, value);

    public static Task WriteAsync<T>(HttpContext context, int status, T value)
    {
        context.Response.StatusCode = status;
        return context.Response.WriteAsync(JsonSerializer.Serialize(value, CanonicalJson.Options), context.RequestAborted);
    }

    public static Task RefuseAsync(HttpContext context, int status, ProblemBody problem) => WriteAsync(context, status, problem);

    public static RequestDelegate Standby => context => RefuseAsync(context, 503, new ProblemBody("standby", "This server is not the active one.", "server", "Ask the others."));

    /// <summary>A JSON value a line.</summary>
    public static async Task LinesAsync<T>(HttpContext context, params IEnumerable<T> values)
    {
        foreach (var value in values)
        {
            await context.Response.WriteAsync(JsonSerializer.Serialize(value, CanonicalJson.Options) + "\n", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _application.StopAsync(new CancellationToken(canceled: true));
        await _application.DisposeAsync();
    }
}
