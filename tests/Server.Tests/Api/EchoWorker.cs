using System.Net;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Server.Tests.Api;

/// <summary>A worker over HTTP whose units hash their inputs.</summary>
internal sealed class EchoWorker(Func<HttpClient> server, IBlobStore store, string name = "echo")
{
    private readonly TensorBlobs _blobs = new(store);
    private int _done;

    /// <summary>Units that were accepted.</summary>
    public int Done => Volatile.Read(ref _done);

    /// <summary>Called before each unit is completed.</summary>
    public Func<Lease, Task> Before { get; init; } = _ => Task.CompletedTask;

    public WorkerRegistration Registration { get; } = new(name, 2, [SampleJobs.Profile], [new WorkerDevice("cpu", "test", null)], "test");

    /// <summary>Works until cancelled, through servers that are away and servers that do not know it.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    await WorkAsync(stop);
                }
                catch (HttpRequestException)
                {
                    using var again = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
                    await again.WaitForNextTickAsync(stop);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The test is over.
        }
    }

    private async Task WorkAsync(CancellationToken stop)
    {
        var answer = await server().SendJsonAsync(Routes.Lease, new LeaseRequest(name, [SampleJobs.Profile], 2)).WaitAsync(stop);
        if (answer.StatusCode == HttpStatusCode.NotFound)
        {
            (await server().SendJsonAsync(Routes.Register, Registration)).EnsureSuccessStatusCode();
            return;
        }

        answer.EnsureSuccessStatusCode();
        foreach (var lease in await TestJob.ReadAsync<IReadOnlyList<Lease>>(answer))
        {
            var outcome = await AttemptAsync(lease);
            await Before(lease);
            stop.ThrowIfCancellationRequested();
            var told = await server().SendJsonAsync(Routes.Complete, new Completion(name, lease.Epoch, outcome));
            told.EnsureSuccessStatusCode();
            if (await TestJob.ReadAsync<bool>(told))
                Interlocked.Increment(ref _done);
        }
    }

    private async Task<Outcome> AttemptAsync(Lease lease)
    {
        var inputs = new List<ReadOnlyMemory<byte>>();
        foreach (var input in lease.Unit.Inputs)
            inputs.Add(await _blobs.ReadAsync(input.Blob, CancellationToken.None));
        var outputs = new List<UnitOutput>();
        foreach (var role in EchoOutputs.Roles(lease.Unit))
            outputs.Add(new UnitOutput(role, await _blobs.WriteAsync(BlobNames.Output(lease.OutputPrefix, role), EchoOutputs.Content(lease.Unit, role, inputs), CancellationToken.None)));
        return Outcome.Completed(outputs, EchoOutputs.Metrics(lease.Unit));
    }
}
