using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Api;

/// <summary>What workers ask: units, leases, ends of attempts.</summary>
internal sealed class WorkerEndpoints(ApiParts parts)
{
    private const int LongestName = 128;
    private const int MostSlots = 1_024;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.On(HttpMethods.Post, Routes.Register, RegisterAsync).Json<WorkerRegistration, WorkerTerms>("registerWorker", "A worker says who it is and what it has.").WithMetadata(Access.Workers);
        routes.On(HttpMethods.Delete, Routes.Register + "/{worker}", Drain).Answers("drainWorker", "A worker takes no more units.").WithMetadata(Access.Workers);
        routes.On(HttpMethods.Post, Routes.Lease, LeaseAsync).Json<LeaseRequest, IReadOnlyList<Lease>>("leaseUnits", "Units to run; waits a while for one where there is none.").WithMetadata(Access.Workers);
        routes.On(HttpMethods.Post, Routes.Heartbeat, HeartbeatAsync).Json<Heartbeat, IReadOnlyList<Epoch>>("renewLeases", "The leases that are renewed; whatever is missing has to stop.").WithMetadata(Access.Workers);
        routes.On(HttpMethods.Post, Routes.Complete, CompleteAsync).Json<Completion, bool>("completeUnit", "The end of an attempt; false where its lease has ended: the result is not used.").WithMetadata(Access.Workers);
        routes.On(HttpMethods.Post, Routes.Grants, GrantAsync).Json<GrantRequest, IReadOnlyList<BlobGrant>>("grantBlobs", "The right to read inputs and create outputs of a unit whose lease the worker holds.").WithMetadata(Access.Workers);
    }

    private async Task RegisterAsync(HttpContext http)
    {
        var registration = await Requests.ReadAsync<WorkerRegistration>(http, Requests.SmallBody);
        if (registration.Worker is not { Length: > 0 and <= LongestName } || registration.Slots is < 1 or > MostSlots || registration.Profiles is not { Count: > 0 })
            throw new RefusedException(Refusal.Invalid, "registration-invalid", "worker", $"A worker has a name of at most {LongestName} letters, 1 to {MostSlots} slots and a profile.", "See /openapi/v1.json.");
        CheckCaller(http, registration.Worker);
        if (!parts.Node.Active().Workers.Register(registration, AccessGate.CallerOf(http).Name))
            throw Foreign(registration.Worker);
        await Requests.WriteAsync(http, new WorkerTerms(parts.HeartbeatEvery, parts.Grants is null ? "shared" : "grants") { LongPoll = parts.LongPoll });
    }

    private Task Drain(HttpContext http, string worker)
    {
        CheckCaller(http, worker);
        if (!parts.Node.Active().Workers.Drain(worker))
            throw Unknown(worker);
        http.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private async Task LeaseAsync(HttpContext http)
    {
        var request = await Requests.ReadAsync<LeaseRequest>(http, Requests.SmallBody);
        var active = Known(http, request.Worker);
        if (request.Max is < 1 or > MostSlots || request.Profiles is not { Count: > 0 })
            throw new RefusedException(Refusal.Invalid, "lease-invalid", request.Worker, $"1 to {MostSlots} units of some profile may be asked for.", "See /openapi/v1.json.");
        using var patience = Requests.Patience(http, parts, active);
        var leases = await active.Scheduler.LeaseAsync(request, patience.Token);
        active.Workers.Hear(request.Worker);
        try
        {
            http.RequestAborted.ThrowIfCancellationRequested();
            await Requests.WriteAsync(http, leases);
        }
        catch (Exception) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody heard of them: others need not wait for their ends.
            foreach (var lease in leases)
                await active.Scheduler.CompleteAsync(lease.Epoch, Outcome.Cancelled("The worker went away before it heard of its lease."), CancellationToken.None);
        }
    }

    private async Task HeartbeatAsync(HttpContext http)
    {
        var heartbeat = await Requests.ReadAsync<Heartbeat>(http, Requests.SmallBody);
        await Requests.WriteAsync(http, await Known(http, heartbeat.Worker, heartbeat.Attempts is { Count: > 0 }).Scheduler.HeartbeatAsync(heartbeat, http.RequestAborted));
    }

    private async Task CompleteAsync(HttpContext http)
    {
        var completion = await Requests.ReadAsync<Completion>(http, Requests.LargeBody);
        var scheduler = Known(http, completion.Worker).Scheduler;
        // Carried out whether or not the caller waits for the answer: it may have been cut off by a network that heals.
        var isAnothers = await scheduler.FindLeaseAsync(completion.Worker, completion.Epoch, CancellationToken.None) is null && await IsHeldAsync(scheduler, completion.Epoch);
        await Requests.WriteAsync(http, !isAnothers && await scheduler.CompleteAsync(completion.Epoch, completion.Outcome, CancellationToken.None));
    }

    private async Task GrantAsync(HttpContext http)
    {
        var request = await Requests.ReadAsync<GrantRequest>(http, Requests.LargeBody);
        var active = Known(http, request.Worker);
        if (parts.Grants is not { } grants)
            throw new RefusedException(Refusal.Unsupported, "store-shared", request.Worker, "This server's store gives no grants.", "Give the worker the same --store as the server.");
        var lease = await active.Scheduler.FindLeaseAsync(request.Worker, request.Epoch, http.RequestAborted)
            ?? throw new RefusedException(Refusal.Conflict, "lease-ended", request.Epoch.Attempt, "The lease has ended or is another worker's.", "Stop the unit: it is leased anew.");
        var own = OwnPrefixes(lease);
        var inputs = lease.Unit.Inputs.Select(i => i.Blob.Name).ToHashSet(StringComparer.Ordinal);
        // A writer whose answer was lost finds its name taken, and has to read what is there.
        var tenant = BlobNames.TenantOf(lease.OutputPrefix);
        if (request.Reads.FirstOrDefault(name => !inputs.Contains(name) && !Array.Exists(own, prefix => IsBelow(name, prefix)) && !active.Registry.IsWeightOf(tenant, name, inputs)) is { } foreign)
            throw NotGranted(foreign, "it is no input of the unit, no weight of its model and not below the lease's output prefix");
        if (request.Creates.FirstOrDefault(name => !Array.Exists(own, prefix => IsBelow(name, prefix))) is { } outside)
            throw NotGranted(outside, "it is not below the lease's output prefix");
        await Requests.WriteAsync(http, await grants(request.Reads, request.Creates, http.RequestAborted));
    }

    /// <summary>What an attempt may write below: its outputs, and states of a unit that is long enough to leave some.</summary>
    private static string[] OwnPrefixes(Lease lease) => lease.Unit.Kind == UnitKind.Reconstruct
        ? [lease.OutputPrefix, BlobNames.StatePrefix(BlobNames.TenantOf(lease.OutputPrefix), lease.Unit.Key)]
        : [lease.OutputPrefix];

    /// <param name="works">It told that it runs units.</param>
    private ActiveServer Known(HttpContext http, string worker, bool works = false)
    {
        var active = parts.Node.Active();
        CheckCaller(http, worker ?? "");
        return active.Workers.Hear(worker ?? "", works) ? active : throw Unknown(worker ?? "");
    }

    /// <summary>What a key lets its holder say, it says for the workers that it is for.</summary>
    private void CheckCaller(HttpContext http, string worker)
    {
        var caller = AccessGate.CallerOf(http);
        if (!caller.MaySpeakFor(worker) || parts.Node.Active().Workers.IsAnothers(worker, caller.Name))
            throw Foreign(worker);
    }

    /// <summary>Whether a lease is live, whoever has it. A lease that has ended never is again.</summary>
    private static async Task<bool> IsHeldAsync(ISchedulerGrain scheduler, Epoch epoch)
    {
        var leased = (await scheduler.DescribeAsync(new ScheduleQuestion(null, null, 0), CancellationToken.None)).Leased;
        return (await scheduler.DescribeAsync(new ScheduleQuestion(null, null, leased), CancellationToken.None)).Units.Any(unit => unit.Lease?.Epoch == epoch);
    }

    private static bool IsBelow(string name, string prefix) => name.StartsWith($"{prefix}/", StringComparison.Ordinal) && !name.Contains("..", StringComparison.Ordinal);

    private static RefusedException NotGranted(string blob, string cause) =>
        new(Refusal.Forbidden, "not-granted", blob, $"The blob is not granted: {cause}.", "Ask for inputs of the unit, and for names below its output prefix.");

    private static RefusedException Foreign(string worker) =>
        new(Refusal.Forbidden, "worker-foreign", worker, "The key may not speak for this worker: it is for others, or the worker came with another key.", "Give the worker its own key, or another --name.");

    private static RefusedException Unknown(string worker) =>
        new(Refusal.NotFound, "worker-unknown", worker, "The server does not know the worker: it may have taken over meanwhile.", "Register and ask again.");
}
