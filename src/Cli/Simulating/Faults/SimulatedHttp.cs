using System.Net;
using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.World;

namespace Orchestrator.Cli.Simulating.Faults;

/// <summary>A worker's network to the servers, below the product's own client: every request takes time and may meet a fault.</summary>
/// <param name="at">The process that listens at an address; null where none does.</param>
internal sealed class SimulatedHttp(SimulatedWorld world, SimulatedProcess process, Func<Uri, SimulatedServer?> at, FaultPlan faults) : HttpMessageHandler
{
    private readonly Dice _pace = new(1, process.Name);

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        var (method, uri) = (request.Method, request.RequestUri!);
        byte[] body = request.Content is null ? [] : await request.Content.ReadAsByteArrayAsync(cancellationToken);
        var message = method == HttpMethod.Delete ? "drain" : uri.Segments[^1];
        var answer = new TaskCompletionSource<HttpResponseMessage>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var cancelled = cancellationToken.Register(() => answer.TrySetCanceled(cancellationToken));
        var fault = faults.Next($"{process.Name}/{message}");
        if (fault != Fault.None)
            world.Trace.Note(world.Now, process.Name, $"{message}: {fault}");
        var dice = new Dice(2, $"{process.Name}{message}{world.Now.Ticks}");
        switch (fault)
        {
            case Fault.Failed:
                world.After(Pace(), () => answer.TrySetException(new HttpRequestException($"The connection was refused ({message}).")));
                break;
            case Fault.Lost:
                break;
            case Fault.AnswerLost:
                world.After(Pace(), () => Deliver(method, uri, body, null));
                break;
            case Fault.Late:
                world.After(dice.Between(5, 90), () => Deliver(method, uri, body, null));
                break;
            default:
                world.After(fault == Fault.Delayed ? dice.Between(0.5, 20) : Pace(), () => Deliver(method, uri, body, answer));
                if (fault == Fault.Duplicated)
                    world.After(dice.Between(0, 60), () => Deliver(method, uri, body, null));
                break;
        }

        return await answer.Task;
    }

    /// <summary>At the server's: where none listens the connection is refused.</summary>
    private void Deliver(HttpMethod method, Uri uri, byte[] body, TaskCompletionSource<HttpResponseMessage>? answer)
    {
        if (at(uri) is not { Process.IsDead: false } there)
        {
            world.After(Pace(), () => answer?.TrySetException(new HttpRequestException($"Nobody listens at {uri.Authority}.")));
            return;
        }

        _ = there.Process.Run(async () =>
        {
            (HttpStatusCode Status, byte[] Content) response;
            try
            {
                response = await SimulatedApi.AnswerAsync(there.Node, method, uri.AbsolutePath, body);
            }
            catch (Exception cause)
            {
                world.Report("servers do not fail", cause.ToString());
                return;
            }

            world.After(Pace(), () => answer?.TrySetResult(new HttpResponseMessage(response.Status) { Content = new ByteArrayContent(response.Content) }));
        });
    }

    private TimeSpan Pace() => _pace.Between(0.001, 0.02);
}
