using System.Net;
using System.Text.Json;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;
using Orchestrator.Server;
using Orchestrator.Server.Nodes;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What a server's endpoints for workers do, between the bytes that come and the bytes that go.</summary>
internal static class SimulatedApi
{
    private static readonly TimeSpan s_heartbeat = TimeSpan.FromSeconds(5);

    public static async Task<(HttpStatusCode Status, byte[] Content)> AnswerAsync(ServerNode node, HttpMethod method, string path, byte[] body)
    {
        try
        {
            return (HttpStatusCode.OK, await ActAsync(node, method, path, body));
        }
        catch (RefusedException refused)
        {
            return (refused.Refusal switch
            {
                Refusal.Unavailable => HttpStatusCode.ServiceUnavailable,
                Refusal.NotFound => HttpStatusCode.NotFound,
                _ => HttpStatusCode.Conflict,
            }, []);
        }
        catch (Exception failed) when (failed is IOException or OperationCanceledException)
        {
            return (HttpStatusCode.ServiceUnavailable, []);
        }
    }

    private static async Task<byte[]> ActAsync(ServerNode node, HttpMethod method, string path, byte[] body)
    {
        if (method == HttpMethod.Delete)
        {
            node.Active().Workers.Drain(Uri.UnescapeDataString(path[(path.LastIndexOf('/') + 1)..]));
            return [];
        }

        switch (path)
        {
            case WorkerRoutes.Registrations:
                node.Active().Workers.Register(Read<WorkerRegistration>(body));
                return CanonicalJson.Serialize(new WorkerTerms(s_heartbeat, "shared"));
            case WorkerRoutes.Leases:
                var request = Read<LeaseRequest>(body);
                var active = Known(node, request.Worker);
                using (var over = CancellationTokenSource.CreateLinkedTokenSource(active.Tenure.Over))
                    return CanonicalJson.Serialize(await active.Scheduler.LeaseAsync(request, over.Token));
            case WorkerRoutes.Heartbeats:
                var heartbeat = Read<Heartbeat>(body);
                return CanonicalJson.Serialize(await Known(node, heartbeat.Worker).Scheduler.HeartbeatAsync(heartbeat, CancellationToken.None));
            case WorkerRoutes.Completions:
                var completion = Read<Completion>(body);
                return CanonicalJson.Serialize(await Known(node, completion.Worker).Scheduler.CompleteAsync(completion.Epoch, completion.Outcome, CancellationToken.None));
            default:
                throw new RefusedException(Refusal.Unsupported, "no-such-path", path, "There is no such path.", "");
        }
    }

    private static ActiveServer Known(ServerNode node, string worker)
    {
        var active = node.Active();
        return active.Workers.Hear(worker) ? active : throw new RefusedException(Refusal.NotFound, "worker-unknown", worker, "The server does not know the worker.", "Register.");
    }

    private static T Read<T>(byte[] body) => JsonSerializer.Deserialize<T>(body, CanonicalJson.Options)!;
}
