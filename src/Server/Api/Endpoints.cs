using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>What OpenAPI tells of an endpoint. Bodies are read and written by the endpoints themselves, within their limits.</summary>
internal static class Endpoints
{
    private const string Document = "application/json";

    /// <summary>As a handler of its own kind, not a bare delegate: only those are described.</summary>
    public static RouteHandlerBuilder On(this IEndpointRouteBuilder routes, string method, string pattern, Delegate handler) =>
        routes.MapMethods(pattern, [method], handler);

    /// <summary>Takes and answers a document.</summary>
    public static RouteHandlerBuilder Json<TRequest, TAnswer>(this RouteHandlerBuilder endpoint, string name, string summary)
        where TRequest : notnull => endpoint.Answers<TAnswer>(name, summary).Accepts<TRequest>(Document);

    /// <summary>Answers a document.</summary>
    public static RouteHandlerBuilder Answers<TAnswer>(this RouteHandlerBuilder endpoint, string name, string summary, string contentType = Document) =>
        endpoint.WithName(name).WithSummary(summary).Produces<TAnswer>(StatusCodes.Status200OK, contentType).Refuses();

    /// <summary>Answers nothing but that it is done.</summary>
    public static RouteHandlerBuilder Answers(this RouteHandlerBuilder endpoint, string name, string summary) =>
        endpoint.WithName(name).WithSummary(summary).Produces(StatusCodes.Status204NoContent).Refuses();

    /// <summary>Answers bytes.</summary>
    public static RouteHandlerBuilder AnswersBytes(this RouteHandlerBuilder endpoint, string name, string summary) =>
        endpoint.WithName(name).WithSummary(summary).Produces<Stream>(StatusCodes.Status200OK, "application/octet-stream").Refuses();

    private static RouteHandlerBuilder Refuses(this RouteHandlerBuilder endpoint) =>
        endpoint.Produces<ProblemBody>(StatusCodes.Status401Unauthorized).Produces<ProblemBody>(StatusCodes.Status403Forbidden).Produces<ProblemBody>(StatusCodes.Status503ServiceUnavailable);
}
