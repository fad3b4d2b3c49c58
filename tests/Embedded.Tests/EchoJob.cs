using System.Security.Cryptography;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Embedded.Tests;

/// <summary>A small job whose units hash their inputs: the whole way from blobs to the end, without numbers.</summary>
internal static class EchoJob
{
    public const string Tenant = "local";

    private static readonly byte[] s_model = [.. Enumerable.Range(0, 64).Select(i => (byte)i)];
    private static readonly byte[] s_calibration = [.. Enumerable.Range(0, 80).Select(i => (byte)(i * 3))];
    private static readonly byte[] s_evaluation = [.. Enumerable.Range(0, 96).Select(i => (byte)(i * 7))];

    public static JobPlan Plan { get; } = MakePlan();

    /// <summary>Runs the job as <c>orc run</c> does: imports the files, starts, works, waits.</summary>
    /// <param name="units">Units after which the process stops; the job goes on with the next run.</param>
    /// <param name="plan">Null for <see cref="Plan"/>.</param>
    public static async Task<JobResult> RunAsync(IBlobStore store, TimeProvider clock, int units = int.MaxValue, JobPlan? plan = null)
    {
        plan ??= Plan;
        await ImportAsync(store);
        await using var host = new EmbeddedHost(store, EmbeddedHostOptions.Default, clock);
        var model = host.Model(Tenant, plan.ComputeJobId());
        await model.StartAsync(new JobStart(Tenant, plan, Fresh: false), CancellationToken.None);
        using var over = new CancellationTokenSource();
        var worker = WorkAsync(host.Scheduler, new TensorBlobs(store), units, over.Token);
        if (await Task.WhenAny(worker, model.ResultAsync(CancellationToken.None), host.Fault) == worker && !worker.IsFaulted)
            await model.StopAsync("enough", resumable: true, CancellationToken.None);
        if (host.Fault.IsCompleted)
            throw new InvalidOperationException("The host failed.", await host.Fault);
        var result = await model.ResultAsync(CancellationToken.None);
        await over.CancelAsync();
        await worker;
        return result;
    }

    /// <summary>Puts the user's files into the store.</summary>
    public static async Task ImportAsync(IBlobStore store)
    {
        var blobs = new TensorBlobs(store);
        foreach (var content in new[] { s_model, s_calibration, s_evaluation })
            await blobs.ImportAsync(Tenant, Digest(content), content.Length, () => new MemoryStream(content), CancellationToken.None);
    }

    private static async Task WorkAsync(ISchedulerGrain scheduler, TensorBlobs blobs, int units, CancellationToken stop)
    {
        try
        {
            for (var done = 0; done < units;)
            {
                foreach (var lease in await scheduler.LeaseAsync(new LeaseRequest("echo", [SampleJobs.Profile], 1), stop))
                {
                    await scheduler.CompleteAsync(lease.Epoch, await AttemptAsync(lease, blobs), CancellationToken.None);
                    done++;
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The job is over.
        }
    }

    /// <summary>Runs one unit.</summary>
    public static async Task<Outcome> AttemptAsync(Lease lease, TensorBlobs blobs)
    {
        try
        {
            var inputs = new List<ReadOnlyMemory<byte>>();
            foreach (var input in lease.Unit.Inputs)
                inputs.Add(await blobs.ReadAsync(input.Blob, CancellationToken.None));
            var outputs = new List<UnitOutput>();
            foreach (var role in EchoOutputs.Roles(lease.Unit))
                outputs.Add(new UnitOutput(role, await blobs.WriteAsync(BlobNames.Output(lease.OutputPrefix, role), EchoOutputs.Content(lease.Unit, role, inputs), CancellationToken.None)));
            return Outcome.Completed(outputs, EchoOutputs.Metrics(lease.Unit));
        }
        catch (DamagedBlobException damaged)
        {
            return Outcome.SystemFailed(new Failure("blob-damaged", damaged.Message, Retryable: true) { Damaged = damaged.Blob });
        }
    }

    private static JobPlan MakePlan()
    {
        var plan = SampleJobs.Plan();
        return plan with
        {
            Settings = plan.Settings with
            {
                Model = new SourceBlob(Digest(s_model), s_model.Length),
                Calibration = new SourceBlob(Digest(s_calibration), s_calibration.Length),
                Evaluation = new SourceBlob(Digest(s_evaluation), s_evaluation.Length),
            },
        };
    }

    private static string Digest(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
