using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>Jobs of the caller's tenant: handed in, looked at, told what to do.</summary>
internal sealed class JobEndpoints(ApiParts parts)
{
    private const string Id = "{id}";

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.On(HttpMethods.Post, Routes.Jobs, SubmitAsync).Json<JobSubmission, JobView>("submitJob", "Takes a job in and starts it; its model and data have been put under /v1/inputs before.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Jobs, ListAsync).Answers<IReadOnlyList<JobView>>("listJobs", "All jobs of the tenant, newest first.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Job(Id), DescribeAsync).Answers<JobDescription>("describeJob", "Everything about a job that fits on a screen.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Explain(Id), ExplainAsync).Answers<JobExplanation>("explainJob", "Why a job is where it is, and what to do.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Outcome(Id), OutcomeAsync).Answers<JobOutcome>("jobOutcome", "All that the report of an ended job is made from.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Watch(Id), WatchAsync).Answers<JobView>("watchJob", "How the job is, a line at each change, until it ends.", "application/x-ndjson").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Get, Routes.Logs(Id), LogsAsync).Answers<JobLogLine>("jobLogs", "The newest lines of the job's log; ?follow=true goes on until it ends.", "application/x-ndjson").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Post, Routes.Act(Id, "pause"), PauseAsync).Answers<JobView>("pauseJob", "When it is answered nothing more is committed.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Post, Routes.Act(Id, "resume"), ResumeAsync).Answers<JobView>("resumeJob", "A paused job goes on.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Post, Routes.Act(Id, "cancel"), CancelAsync).Answers<JobView>("cancelJob", "Ends the job. When it is answered nothing more is committed.").WithMetadata(Access.Tenants);
        routes.On(HttpMethods.Post, Routes.Act(Id, "retry"), RetryAsync).Answers<JobView>("retryJob", "Runs a job again that did not succeed; what is committed is reused.").WithMetadata(Access.Tenants);
    }

    private async Task SubmitAsync(HttpContext http)
    {
        var submission = await Requests.ReadAsync<JobSubmission>(http, Requests.SubmissionBody);
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.SubmitAsync(AccessGate.TenantOf(http), submission, http.RequestAborted));
    }

    private async Task ListAsync(HttpContext http) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.ListAsync(AccessGate.TenantOf(http), http.RequestAborted));

    private async Task DescribeAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.DescribeAsync(AccessGate.TenantOf(http), id, http.RequestAborted));

    private async Task ExplainAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.ExplainAsync(AccessGate.TenantOf(http), id, http.RequestAborted));

    private async Task OutcomeAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.OutcomeAsync(AccessGate.TenantOf(http), id, http.RequestAborted));

    private async Task WatchAsync(HttpContext http, string id)
    {
        var active = parts.Node.Active();
        using var patience = Requests.Patience(http, parts, active);
        await Requests.WriteLinesAsync(http, active.Jobs.WatchAsync(AccessGate.TenantOf(http), id, patience.Token), patience.Token);
    }

    private async Task LogsAsync(HttpContext http, string id, bool follow = false)
    {
        var active = parts.Node.Active();
        using var patience = Requests.Patience(http, parts, active);
        await Requests.WriteLinesAsync(http, active.Jobs.LogAsync(AccessGate.TenantOf(http), id, follow, patience.Token), patience.Token);
    }

    // What is asked for is carried out even where the caller goes meanwhile: half a wish would be none.
    private async Task PauseAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.PauseAsync(AccessGate.TenantOf(http), id, CancellationToken.None));

    private async Task ResumeAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.ResumeAsync(AccessGate.TenantOf(http), id, CancellationToken.None));

    private async Task CancelAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.CancelAsync(AccessGate.TenantOf(http), id, CancellationToken.None));

    private async Task RetryAsync(HttpContext http, string id) =>
        await Requests.WriteAsync(http, await parts.Node.Active().Jobs.RetryAsync(AccessGate.TenantOf(http), id, CancellationToken.None));
}
