using System.Collections.Concurrent;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Orchestrator.TestKit.Telemetry;

/// <summary>A collector for tests: takes OTLP over HTTP (protobuf) on a free port and keeps what comes.</summary>
public sealed class OtlpReceiver : IAsyncDisposable
{
    private readonly WebApplication _application;
    private readonly ConcurrentQueue<Span> _spans = [];
    private readonly ConcurrentQueue<(string Service, string Name)> _metrics = [];
    private readonly ConcurrentQueue<(string Service, string Text, string Trace)> _logs = [];
    private readonly ConcurrentQueue<byte[]> _bodies = [];

    private OtlpReceiver(WebApplication application) => _application = application;

    public string Endpoint => _application.Urls.First();

    public IReadOnlyList<Span> Spans => [.. _spans];

    public IReadOnlyList<(string Service, string Name)> Metrics => [.. _metrics];

    public IReadOnlyList<(string Service, string Text, string Trace)> Logs => [.. _logs];

    /// <summary>What a program needs in its environment to send here.</summary>
    public IReadOnlyDictionary<string, string> Environment => new Dictionary<string, string>
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = Endpoint,
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
    };

    public static async Task<OtlpReceiver> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        var application = builder.Build();
        var receiver = new OtlpReceiver(application);
        application.MapPost("/v1/traces", (HttpContext http) => receiver.TakeAsync(http, receiver.TakeTraces));
        application.MapPost("/v1/metrics", (HttpContext http) => receiver.TakeAsync(http, receiver.TakeMetrics));
        application.MapPost("/v1/logs", (HttpContext http) => receiver.TakeAsync(http, receiver.TakeLogs));
        await application.StartAsync();
        return receiver;
    }

    /// <summary>Whether a text occurs in anything that came.</summary>
    public bool Heard(string text)
    {
        var sought = Encoding.UTF8.GetBytes(text);
        return _bodies.Any(body => body.AsSpan().IndexOf(sought) >= 0);
    }

    public ValueTask DisposeAsync() => _application.DisposeAsync();

    private async Task TakeAsync(HttpContext http, Action<ProtoMessage> take)
    {
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        _bodies.Enqueue(body.ToArray());
        take(new ProtoMessage(body.ToArray()));
        // An empty answer of each kind says that all was taken.
        http.Response.ContentType = "application/x-protobuf";
    }

    // Numbers of the fields as opentelemetry-proto 1.x has them: resource 1, scopes 2, records 2.
    private void TakeTraces(ProtoMessage request)
    {
        foreach (var (service, span) in Records(request))
        {
            _spans.Enqueue(new Span(
                service, span.Text(5), span.Hex(1), span.Hex(2), span.Hex(4),
                [.. span.All(13).Select(link => link.Hex(2))],
                [.. span.All(9).Select(attribute => attribute.Text(1))]));
        }
    }

    private void TakeMetrics(ProtoMessage request)
    {
        foreach (var (service, metric) in Records(request))
            _metrics.Enqueue((service, metric.Text(1)));
    }

    private void TakeLogs(ProtoMessage request)
    {
        foreach (var (service, record) in Records(request))
            _logs.Enqueue((service, record.All(5).Select(body => body.Text(1)).FirstOrDefault(""), record.Hex(9)));
    }

    private static IEnumerable<(string Service, ProtoMessage Record)> Records(ProtoMessage request) =>
        from resource in request.All(1)
        let service = resource.All(1, 1).Where(a => a.Text(1) == "service.name").SelectMany(a => a.All(2)).Select(v => v.Text(1)).FirstOrDefault("")
        from record in resource.All(2, 2)
        select (service, record);

    /// <param name="Parent">Empty at the root.</param>
    /// <param name="Links">Ids of the spans it is linked to.</param>
    /// <param name="Attributes">Their names.</param>
    public sealed record Span(string Service, string Name, string Trace, string Id, string Parent, IReadOnlyList<string> Links, IReadOnlyList<string> Attributes);
}
