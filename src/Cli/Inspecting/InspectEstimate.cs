using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Running;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Cli.Inspecting;

/// <summary>What a job that prunes and quantizes every layer would take on this machine, from the model that <c>orc run</c> estimates with.</summary>
/// <param name="MemoryBytes">Peak of the process.</param>
/// <param name="Seconds">Wall time.</param>
/// <param name="DiskBytes">What the store would grow by.</param>
/// <param name="Basis">What the figures assume, or why there are none.</param>
internal sealed record InspectEstimate(long MemoryBytes, double Seconds, long DiskBytes, string Basis)
{
    private const int Samples = 1024;

    private const string Recipe = """
        model: model.onnx
        data: {calibration: {file: calibration.npz, samples: 1024}}
        compress:
          - {method: exact-obs, sparsity: 0.5}
          - {method: obq, bits: 4}
        """;

    public static InspectEstimate Of(ModelOutline outline, BatchNormMode batchNorm, Surroundings surroundings)
    {
        try
        {
            var plan = Planner.Plan(Request(outline, batchNorm));
            var watches = new Stopwatches(surroundings.Clock, () => Environment.CpuUsage.TotalTime);
            using var environment = new OrtEnvironment(LoggingLevel.Fatal);
            var speed = new SpeedProbe(watches, KernelWidths.Best, surroundings.Cores).Kernels(new ModelRuntime(environment));
            var estimate = RunEstimate.Of(plan, speed, surroundings.Cores, surroundings.Cores);
            return new InspectEstimate(
                estimate.MemoryBytes, estimate.Seconds, estimate.DiskBytes,
                $"{Samples} calibration samples, every layer pruned to half by exact-obs and quantized to 4 bits by obq, {surroundings.Cores} slots, no evaluation");
        }
        catch (InputException impossible)
        {
            return new InspectEstimate(0, 0, 0, $"no estimate: {impossible.Message}");
        }
    }

    /// <summary>The recipe, and data that fits the model: an open dimension beyond the first counts as one.</summary>
    private static PlanRequest Request(ModelOutline outline, BatchNormMode batchNorm)
    {
        var data = new DataHeader("calibration.npz", new SourceBlob(outline.Digest, 0), [.. outline.Inputs.Select(input => input with { Shape = Shape(input) })]);
        var recipe = RecipeReader.Read(Recipe) with { BatchNorm = batchNorm };
        return new PlanRequest(recipe, outline, new SourceBlob(outline.Digest, outline.Bytes), data, null, KernelWidths.Name(KernelWidths.Best));
    }

    private static IReadOnlyList<long> Shape(TensorOutline input) =>
        input.Shape.Count == 0 ? input.Shape : [Samples, .. input.Shape.Skip(1).Select(dimension => Math.Max(dimension, 1))];
}
