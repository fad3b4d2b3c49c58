using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Tests.Telemetry;

namespace Orchestrator.Worker.Tests;

/// <summary>A whole embedded job with real grains, host, worker and store; only the numbers are echoes.</summary>
internal sealed class JobHarness(IBlobStore store, int slots = 2, TimeProvider? clock = null)
{
    public const string Tenant = "local";

    /// <summary>Attempts follow each other at once, so that no test waits.</summary>
    private static readonly RetryPolicy s_impatient = RetryPolicy.Default with { FirstDelay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero };

    /// <summary>A test that hangs has failed; far above what any of them takes.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private static readonly byte[] s_model = Encoding.UTF8.GetBytes("model");
    private static readonly byte[] s_calibration = Encoding.UTF8.GetBytes("calibration");
    private static readonly byte[] s_evaluation = Encoding.UTF8.GetBytes("evaluation");

    private readonly TimeProvider _clock = clock ?? TimeProvider.System;

    /// <summary>Null where nobody listens.</summary>
    public JobTelemetry? Telemetry { get; init; }

    public static JobPlan Plan(params CompressStep[] steps) => Plan(SampleJobs.ThreeLayers(), steps);

    public static JobPlan Plan(ModelOutline outline, params CompressStep[] steps)
    {
        var request = SampleJobs.Request(SampleJobs.Recipe(steps), outline);
        return Planner.Plan(request with
        {
            Model = Source(s_model),
            Calibration = request.Calibration with { Blob = Source(s_calibration) },
            Evaluation = request.Evaluation! with { Blob = Source(s_evaluation) },
        });
    }

    public static async Task ImportAsync(IBlobStore store)
    {
        var blobs = new TensorBlobs(store);
        foreach (var content in new[] { s_model, s_calibration, s_evaluation })
        {
            var source = Source(content);
            await blobs.ImportAsync(Tenant, source.Sha256, source.Length, () => new MemoryStream(content), CancellationToken.None);
        }
    }

    /// <param name="trace">Trace context of whoever submits the job.</param>
    public Task<JobResult> RunAsync(JobPlan plan, IUnitRunner runner, bool fresh = false, string? trace = null) =>
        RunAsync(plan, runner, (_, _) => Task.CompletedTask, fresh, trace);

    /// <param name="meanwhile">Runs beside the job, with its host and the worker's cancellation.</param>
    public async Task<JobResult> RunAsync(JobPlan plan, IUnitRunner runner, Func<EmbeddedHost, CancellationTokenSource, Task> meanwhile, bool fresh = false, string? trace = null)
    {
        await ImportAsync(store);
        var options = new EmbeddedHostOptions(Tenant, s_impatient, LeaseOptions.Default) { Telemetry = Telemetry?.Grains ?? GrainTelemetry.None };
        await using var host = new EmbeddedHost(store, options, _clock);
        using var stop = new CancellationTokenSource();
        var worker = new WorkerLoop(host.Scheduler, runner, new TensorBlobs(store), WorkerOptions.Create("worker", SampleJobs.Profile, slots), _clock, new WorkerMeans { Observer = Telemetry?.Watch });
        var model = host.Model(Tenant, plan.ComputeJobId());
        await model.StartAsync(new JobStart(Tenant, plan, fresh) { Trace = trace }, CancellationToken.None);
        var working = worker.RunAsync(stop.Token);
        try
        {
            var beside = meanwhile(host, stop);
            var result = model.ResultAsync(CancellationToken.None);
            var first = await Task.WhenAny(result, host.Fault).WaitAsync(s_patience);
            if (first == host.Fault)
                throw new InvalidOperationException("A grain failed.", await host.Fault);
            await beside;
            return await result;
        }
        finally
        {
            await stop.CancelAsync();
            await working;
        }
    }

    private static SourceBlob Source(byte[] content) => new(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
}
