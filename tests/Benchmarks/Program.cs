using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using Orchestrator.Benchmarks.Cluster;
using Orchestrator.Benchmarks.Numerics;
using Orchestrator.Benchmarks.Reconstruction;
using Orchestrator.Benchmarks.Scheduling;
using Orchestrator.Benchmarks.Solvers;
using Orchestrator.Benchmarks.Stores;
using Orchestrator.Benchmarks.Telemetry;

if (args is ["million-units", .. var rest])
{
    await MillionUnits.RunAsync(rest);
    return;
}

if (args is ["cluster-throughput", .. var cluster])
{
    await ClusterThroughput.RunAsync(cluster);
    return;
}

if (args is ["cluster-scaling", .. var scaling])
{
    await ClusterScaling.RunAsync(scaling);
    return;
}

if (args is [DelayWorker.Verb, .. var delayed])
{
    await DelayWorker.RunAsync(delayed);
    return;
}

if (args is ["cluster-describe", .. var described])
{
    await ClusterDescribe.RunAsync(described);
    return;
}

if (args is ["lease-pace", .. var pace])
{
    LeasePace.Run(pace);
    return;
}

if (args is ["kept-rows", .. var kept])
{
    await KeptRows.RunAsync(kept);
    return;
}

if (args is ["step-speed", .. var speed])
{
    StepSpeed.Run(speed);
    return;
}

if (args is ["reconstruct", .. var network])
{
    await ReconstructedNetwork.RunAsync(network);
    return;
}

#if ORLEANS
if (args is ["silo-throughput", .. var silos])
{
    await Orchestrator.Benchmarks.Silos.SiloThroughput.RunAsync(silos);
    return;
}
#endif

if (args is ["cloud-store", .. var cloud])
{
    await CloudStore.RunAsync(cloud);
    return;
}

if (args is ["instrument-cost", .. var cost])
{
    await InstrumentCost.RunAsync(cost);
    return;
}

// In process: the project BenchmarkDotNet would generate knows nothing of our build settings.
var config = DefaultConfig.Instance
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
    .WithArtifactsPath(Path.Combine("artifacts", "benchmarks"));
BenchmarkSwitcher.FromAssembly(typeof(EliminationBenchmarks).Assembly).Run(args, config);
