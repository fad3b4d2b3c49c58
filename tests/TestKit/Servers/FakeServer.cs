using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orchestrator.Jobs.Units;

namespace Orchestrator.TestKit.Servers;

/// <summary>A server whose answers a test writes, on a free port of this machine.</summary>
public sealed class FakeServer : IAsyncDisposable
{
    private readonly ConcurrentQueue<FakeRequest> _requests = [];
    private readonly WebApplication _application;

    private FakeServer(Func<FakeRequest, Task<FakeAnswer>> answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _application = builder.Build();
        _application.Run(context => AnswerAsync(context, answer));
    }

    public Uri Address => new(_application.Urls.Single());

    /// <summary>All that came so far, in order.</summary>
    public IReadOnlyList<FakeRequest> Requests => [.. _requests];

    public static async Task<FakeServer> StartAsync(Func<FakeRequest, Task<FakeAnswer>> answer)
    {
        var server = new FakeServer(answer);
        await server._application.StartAsync();
        return server;
    }

    public static Task<FakeServer> StartAsync(Func<FakeRequest, FakeAnswer> answer) => StartAsync(request => Task.FromResult(answer(request)));

    /// <summary>An address that nobody listens at.</summary>
    public static async Task<Uri> NowhereAsync()
    {
        await using var gone = await StartAsync(_ => FakeAnswer.Lost);
        return gone.Address;
    }

    public async ValueTask DisposeAsync()
    {
        // Whatever is still being answered ends with its connection.
        await _application.StopAsync(new CancellationToken(canceled: true));
        await _application.DisposeAsync();
    }

    private async Task AnswerAsync(HttpContext context, Func<FakeRequest, Task<FakeAnswer>> write)
    {
        try
        {
            using var reader = new StreamReader(context.Request.Body, Encoding.UTF8);
            var body = await reader.ReadToEndAsync(context.RequestAborted);
            var request = new FakeRequest(context.Request.Method, context.Request.Path, context.Request.Headers.Authorization, body, context.RequestAborted);
            _requests.Enqueue(request);
            var answer = await write(request);
            if (answer.IsLost)
            {
                context.Abort();
                return;
            }

            context.Response.StatusCode = answer.Status;
            if (answer.Location is not null)
                context.Response.Headers.Location = answer.Location;
            if (answer.Body.Length > 0)
                await context.Response.WriteAsync(answer.Body, context.RequestAborted);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Whoever asked is gone, or the server is.
        }
    }
}

/// <param name="Gone">Cancelled when whoever asked waits no more.</param>
public sealed record FakeRequest(string Method, string Path, string? Authorization, string Body, CancellationToken Gone)
{
    public T As<T>() => JsonSerializer.Deserialize<T>(Body, CanonicalJson.Options)!;
}

/// <param name="IsLost">The connection ends without an answer.</param>
public sealed record FakeAnswer(int Status, string Body = "", string? Location = null, bool IsLost = false)
{
    public static FakeAnswer Lost { get; } = new(0, IsLost: true);

    public static FakeAnswer Of<T>(T value) => new(200, JsonSerializer.Serialize(value, CanonicalJson.Options));
}
