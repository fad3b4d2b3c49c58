using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Nodes;

namespace Orchestrator.Server.Api;

/// <summary>Reading bodies within limits, and writing what is asked for.</summary>
internal static class Requests
{
    /// <summary>Leases, heartbeats, registrations.</summary>
    public const long SmallBody = 1 << 20;

    /// <summary>Completions and requests for grants name blobs; a unit may have many.</summary>
    public const long LargeBody = 16 << 20;

    /// <summary>Plan and outline of a model of a hundred thousand layers.</summary>
    public const long SubmissionBody = 128 << 20;

    /// <exception cref="RefusedException">Not what is expected. Depth is limited by the options.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext http, long most)
        where T : class
    {
        Limit(http, most);
        try
        {
            return await JsonSerializer.DeserializeAsync<T>(http.Request.Body, CanonicalJson.Options, http.RequestAborted)
                ?? throw new JsonException("The body is null.");
        }
        catch (Exception wrong) when (wrong is JsonException or NotSupportedException)
        {
            throw new RefusedException(Refusal.Invalid, "body-invalid", http.Request.Path, $"The body is no {typeof(T).Name}: {wrong.Message}", "See /openapi/v1.json.", wrong);
        }
    }

    public static void Limit(HttpContext http, long most)
    {
        if (http.Request.ContentLength > most)
            throw new RefusedException(Refusal.TooLarge, "body-too-large", http.Request.Path, $"The body has {http.Request.ContentLength} bytes, at most {most} are taken in.", "Send less.");
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } feature)
            feature.MaxRequestBodySize = most;
    }

    public static Task WriteAsync<T>(HttpContext http, T answer) => http.Response.WriteAsJsonAsync(answer, CanonicalJson.Options, http.RequestAborted);

    /// <summary>A JSON document a line, each sent at once.</summary>
    public static async Task WriteLinesAsync<T>(HttpContext http, IAsyncEnumerable<T> lines, CancellationToken cancellationToken)
    {
        await using var all = lines.GetAsyncEnumerator(cancellationToken);
        // The first decides whether there is an answer or a refusal.
        var any = await all.MoveNextAsync();
        http.Response.ContentType = "application/x-ndjson";
        http.Response.Headers.CacheControl = "no-store";
        await http.Response.StartAsync(cancellationToken);
        for (; any; any = await all.MoveNextAsync())
        {
            await http.Response.Body.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(all.Current, CanonicalJson.Options), cancellationToken);
            await http.Response.Body.WriteAsync("\n"u8.ToArray(), cancellationToken);
            await http.Response.Body.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Ends when the caller goes, the server stops or is not the active one any more.</summary>
    public static CancellationTokenSource Patience(HttpContext http, ApiParts parts, ActiveServer active) =>
        CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, parts.Stopping, active.Tenure.Over);
}
