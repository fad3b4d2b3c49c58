using System.Diagnostics;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Running;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Plans;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Cli.Estimating;

/// <summary>Measures this machine and estimates a plan on it.</summary>
internal static class RunEstimate
{
    /// <param name="model">As loaded; not changed.</param>
    /// <param name="calibrationPath">The calibration data, of which a few samples are run.</param>
    /// <param name="store">The store's folder, which need not exist yet; null where it is in none.</param>
    public static JobEstimate Of(JobPlan plan, OnnxModel model, string calibrationPath, string? store, int slots, Surroundings surroundings)
    {
        var profile = plan.Settings.Profile;
        var provider = NumericProfiles.ProviderOf(profile);
        using var environment = new OrtEnvironment(LoggingLevel.Fatal);
        // A device computes while the processor waits: then only the clock tells.
        var watches = new Stopwatches(surroundings.Clock, provider is null ? () => Environment.CpuUsage.TotalTime : () => surroundings.Clock.GetElapsedTime(0));
        var probe = new SpeedProbe(watches, NumericProfiles.WidthOf(profile), Math.Clamp(slots, 1, surroundings.Cores));
        var speed = Measure(probe, plan, model, calibrationPath, new ModelRuntime(environment, provider));
        if (store is not null && FlushTrial.Of(store, surroundings.Clock) is { } flush)
            speed = speed with { FlushSeconds = flush.Seconds, WriteBytes = flush.BytesPerSecond };
        return Of(plan, speed, slots, surroundings.Cores);
    }

    public static JobEstimate Of(JobPlan plan, MachineSpeed speed, int slots, int cores)
    {
        using var process = Process.GetCurrentProcess();
        return JobEstimator.Estimate(plan, new EstimateRequest
        {
            Speed = speed,
            Slots = slots,
            Cores = cores,
            ProcessBytes = process.WorkingSet64,
            CacheBytes = WorkerOptions.DefaultCacheBytes,
        });
    }

    private static MachineSpeed Measure(SpeedProbe probe, JobPlan plan, OnnxModel model, string calibrationPath, ModelRuntime runtime)
    {
        try
        {
            using var data = DataFile.Open(calibrationPath);
            return probe.Of(plan, runtime, model, data);
        }
        catch (OrtException)
        {
            // The job will meet the same and tell it where it belongs; an estimate is no reason to stop.
            return probe.Kernels(runtime);
        }
    }
}
