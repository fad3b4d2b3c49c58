using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Server.Keys;

namespace Orchestrator.Server.Api;

/// <summary>Who may call an endpoint. An endpoint without one is refused to everyone.</summary>
/// <param name="Role">Null for every role.</param>
/// <param name="IsOpen">Needs no key at all: it tells nothing but that the server is there.</param>
internal sealed record Access(KeyRole? Role, bool IsOpen = false)
{
    public static Access Workers { get; } = new(KeyRole.Worker);

    public static Access Tenants { get; } = new(KeyRole.Tenant);

    public static Access Everyone { get; } = new((KeyRole?)null);

    public static Access Open { get; } = new(null, IsOpen: true);
}

/// <summary>Lets through whoever has a key for the endpoint. Without a key ring, on loopback, everyone is the tenant <c>local</c> and a worker.</summary>
internal sealed class AccessGate(RequestDelegate next, ApiParts parts)
{
    private const string Scheme = "Bearer ";
    private const string CallerItem = "orc.caller";

    /// <summary>Whom all belongs to where there are no keys.</summary>
    public const string Local = "local";

    public static Caller CallerOf(HttpContext http) => (Caller)http.Items[CallerItem]!;

    public static string TenantOf(HttpContext http) => CallerOf(http).Name;

    public Task InvokeAsync(HttpContext http)
    {
        // A path that nobody serves is refused without a key like any other: it tells nothing.
        var access = http.GetEndpoint()?.Metadata.GetMetadata<Access>();
        if (access is { IsOpen: true })
            return next(http);
        Caller caller;
        try
        {
            caller = Identify(http, access);
            if (access?.Role is { } needed && caller.Role != needed)
                throw new RefusedException(Refusal.Forbidden, "wrong-role", http.Request.Path, $"The key is a {caller.Role.ToString().ToLowerInvariant()}'s.", "Use a key of the other role.");
        }
        catch (RefusedException) when (access?.Role == KeyRole.Worker)
        {
            parts.Node.TryActive()?.Workers.Refuse();
            throw;
        }

        // Also what routing itself answers, to another method or another type of content.
        if (http.GetEndpoint() is not RouteEndpoint)
            throw new RefusedException(Refusal.NotFound, "no-such-path", http.Request.Path, $"The server serves no such path by {http.Request.Method} with such content.", "See /openapi/v1.json.");
        if (access is null)
            throw new RefusedException(Refusal.Forbidden, "wrong-role", http.Request.Path, $"The key is a {caller.Role.ToString().ToLowerInvariant()}'s.", "Use a key of the other role.");
        http.Items[CallerItem] = caller;
        return next(http);
    }

    private Caller Identify(HttpContext http, Access? access)
    {
        if (parts.Keys is not { } keys)
            return new Caller(access?.Role ?? KeyRole.Tenant, Local);
        if (http.Request.Headers.Authorization is not [{ } header] || !header.StartsWith(Scheme, StringComparison.Ordinal) || keys.Find(header[Scheme.Length..].Trim()) is not { } caller)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
            throw new RefusedException(Refusal.Unauthenticated, "key-unknown", http.Request.Path, "The request shows no key that this server knows.", "Give a key with --key-file.");
        }

        return caller;
    }
}
