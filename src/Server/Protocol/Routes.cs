using Orchestrator.Grains.Abstractions;

namespace Orchestrator.Server.Protocol;

/// <summary>Paths of the API. The tenant is never part of one: it comes from the key that a caller shows.</summary>
public static class Routes
{
    /// <summary>GET: <see cref="ServerView"/>. Any server answers, active or standby.</summary>
    public const string Server = "/v1/server";

    /// <summary>GET without a key: the process answers.</summary>
    public const string Live = "/health/live";

    /// <summary>GET without a key: 200 on the active server, 503 on a standby.</summary>
    public const string Ready = "/health/ready";

    /// <summary>GET: what the API is, as OpenAPI.</summary>
    public const string OpenApi = "/openapi/v1.json";

    /// <summary>GET: <see cref="WorkerView"/>s.</summary>
    public const string Workers = "/v1/workers";

    /// <summary>PUT under its SHA-256: a model, weights or data. HEAD: is it there and sound?</summary>
    public const string Inputs = "/v1/inputs";

    /// <summary>POST <see cref="JobSubmission"/>; GET: <see cref="JobView"/>s, newest first.</summary>
    public const string Jobs = "/v1/jobs";

    /// <summary>GET: <see cref="JobDescription"/>.</summary>
    public static string Job(string id) => $"{Jobs}/{id}";

    /// <summary>GET: <see cref="JobExplanation"/>.</summary>
    public static string Explain(string id) => $"{Jobs}/{id}/explain";

    /// <summary>GET: a JSON <see cref="JobView"/> a line, until the job ends or the caller goes.</summary>
    public static string Watch(string id) => $"{Jobs}/{id}/watch";

    /// <summary>GET: a JSON <see cref="JobLogLine"/> a line; <c>?follow=true</c> goes on until the job ends.</summary>
    public static string Logs(string id) => $"{Jobs}/{id}/logs";

    /// <summary>POST: <c>pause</c>, <c>resume</c>, <c>cancel</c> or <c>retry</c>; answers the <see cref="JobView"/>. When a pause or a cancel is answered nothing more is committed.</summary>
    public static string Act(string id, string verb) => $"{Jobs}/{id}/{verb}";

    /// <summary>GET: <see cref="JobOutcome"/> of an ended job.</summary>
    public static string Outcome(string id) => $"{Jobs}/{id}/outcome";

    /// <summary>GET: the bytes of the best valid model; <c>?data=true</c> its large weights.</summary>
    public static string Model(string id) => $"{Jobs}/{id}/model";

    /// <inheritdoc cref="WorkerRoutes.Leases"/>
    public const string Lease = WorkerRoutes.Leases;

    /// <inheritdoc cref="WorkerRoutes.Heartbeats"/>
    public const string Heartbeat = WorkerRoutes.Heartbeats;

    /// <inheritdoc cref="WorkerRoutes.Completions"/>
    public const string Complete = WorkerRoutes.Completions;

    /// <inheritdoc cref="WorkerRoutes.Registrations"/>
    public const string Register = WorkerRoutes.Registrations;

    /// <inheritdoc cref="WorkerRoutes.Grants"/>
    public const string Grants = WorkerRoutes.Grants;
}
