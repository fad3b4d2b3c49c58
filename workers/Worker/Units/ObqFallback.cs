using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Worker.Units;

/// <summary>OBQ for a layer that could not be tuned, from its Hessian on the calibration samples to its codes: one layer in memory at a time.</summary>
internal sealed class ObqFallback(ModelRuntime runtime)
{
    /// <returns>The layer's codes, and what had to be done differently on the way.</returns>
    public (TunedLayer Layer, IReadOnlyList<Rescue> Rescues) Solve(TuningRequest request, GroupLayer member, Layer layer, DataFile data, KernelWidth width, CancellationToken cancellationToken)
    {
        var (spec, name) = (request.Spec, member.Layer.Name);
        var parameters = spec.Parameters;
        var shape = new LayerShape(layer.Rows, layer.Columns, layer.Groups, layer.KernelPositions);
        var graph = GramGraph.Build(request.Model, ModelPartition.Of(request.Model), [name]);
        var gram = Calibrator.Run(runtime, graph, data, spec.Preprocess, 0, spec.Samples, spec.Batch, null, cancellationToken)[0];
        using var hessian = LayerHessian.FromValues(gram.ToHessian(spec.Samples), shape.Groups, shape.Columns);
        using var weights = Matrix<float>.FromRows(request.Weights[member.Layer.Index], shape.Rows, shape.Columns);
        var damping = parameters.Damping ?? 0;
        var step = new CompressStepSpec { Method = "obq", Damping = damping, Bits = member.Bits, Grid = parameters.Grid, Scheme = parameters.Scheme };
        var input = new SolverInput(weights, hessian, shape) { Damping = damping, StartsPruned = member.StartsPruned, Width = width };
        using var result = LayerSolver.Run(input, step, cancellationToken);
        var codes = result.Quantized!;
        return (new TunedLayer(codes.Codes, codes.Scales, codes.Zeros, null, null) { Method = "obq" }, [.. result.Rescues.Select(r => r with { Layer = name })]);
    }
}
