using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>The server itself and its workers.</summary>
internal sealed class ServerEndpoints(ApiParts parts)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        routes.On(HttpMethods.Get, Routes.Server, ServerAsync).Answers<ServerView>("server", "Who this server is; active or standby, it answers.").WithMetadata(Access.Everyone);
        routes.On(HttpMethods.Get, Routes.Workers, WorkersAsync).Answers<IReadOnlyList<WorkerView>>("listWorkers", "All workers that were heard of in the last minutes.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Live, LiveAsync).Answers<string>("live", "The process answers.", "text/plain").WithMetadata(Access.Open);
        routes.On(HttpMethods.Get, Routes.Ready, ReadyAsync).Answers<string>("ready", "200 on the active server, 503 on a standby.", "text/plain").WithMetadata(Access.Open);
    }

    private Task ServerAsync(HttpContext http)
    {
        var active = parts.Node.TryActive();
        var role = active is null ? ServerRole.Standby : ServerRole.Active;
        return Requests.WriteAsync(http, new ServerView(parts.Node.Identity.Name, parts.Version, role, parts.Node.KnownActive(), active?.Tenure.Term ?? parts.Node.Head?.Term ?? 0));
    }

    private async Task WorkersAsync(HttpContext http)
    {
        var active = parts.Node.Active();
        var standing = await active.Scheduler.DescribeAsync(new ScheduleQuestion(null, null, 0), http.RequestAborted);
        var leases = standing.Workers.ToDictionary(w => w.Worker, w => w.Leases, StringComparer.Ordinal);
        await Requests.WriteAsync(http, active.Workers.List().Select(w => View(w, leases.GetValueOrDefault(w.Registration.Worker))).ToArray());
    }

    private static WorkerView View(RosterEntry worker, int leases)
    {
        var state = worker.IsOffline ? "offline" : worker.IsDraining ? "draining" : leases > 0 ? "busy" : "available";
        var registration = worker.Registration;
        return new WorkerView(
            registration.Worker, state, registration.Slots, leases, registration.Profiles, [.. registration.Devices.Select(d => $"{d.Class}: {d.Name}")], worker.Heard.TotalSeconds, registration.Version);
    }

    private static Task LiveAsync(HttpContext http) => http.Response.WriteAsync("live");

    private Task ReadyAsync(HttpContext http)
    {
        var isActive = parts.Node.TryActive() is not null;
        http.Response.StatusCode = isActive ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return http.Response.WriteAsync(isActive ? "active" : "standby");
    }
}
