using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Rows of a layer through a solver, the inverse they share, and the mask over all of them.</summary>
internal static class RowsUnits
{
    public static async Task<UnitMetrics> RunAsync(RowsSpec spec, UnitInputs inputs, IUnitContext context, KernelWidth width)
    {
        var shape = spec.Layer;
        var token = inputs.CancellationToken;
        using var weights = await inputs.RowsAsync(Roles.Weights, spec.FirstRow - spec.WeightsFirstRow, spec.Rows, shape.Columns);
        using var original = inputs.Has(Roles.Original)
            ? await inputs.RowsAsync(Roles.Original, spec.FirstRow, spec.Rows, shape.Columns)
            : null;
        using var hessian = LayerHessian.FromValues(await inputs.ValuesAsync<double>(Roles.Hessian), shape.Groups, shape.Columns);
        using var inverse = inputs.Has(Roles.Inverse)
            ? LayerInverse.FromValues(await inputs.ValuesAsync<double>(Roles.Inverse), shape.Groups, shape.Columns)
            : null;
        var input = new SolverInput(weights, hessian, shape)
        {
            FirstRow = spec.FirstRow,
            Inverse = inverse,
            Original = original,
            Damping = spec.Step.Damping,
            StartsPruned = spec.StartsPruned,
            KeepsRows = spec.KeepsRows == true,
            Width = width,
            Progress = new RowProgress(context, spec.Rows),
        };

        if (spec.Phase == RowsPhase.Trace)
            return await TraceAsync(input, spec, context, token);
        using var result = spec.Phase == RowsPhase.Finish
            ? await FinishAsync(input, spec, inputs)
            : LayerSolver.Solve(input, spec.Step, token);
        return await WriteAsync(result, context, token);
    }

    public static async Task<UnitMetrics> SelectAsync(SelectSpec spec, UnitInputs inputs, IUnitContext context)
    {
        var mask = LayerSolver.Select(spec, await inputs.ValuesAsync<double>(Roles.Losses));
        await context.WriteValuesAsync(Roles.Counts, mask.Counts, inputs.CancellationToken);
        return new UnitMetrics { Rescues = mask.Rescues };
    }

    public static async Task<UnitMetrics> InvertAsync(InverseSpec spec, UnitInputs inputs, IUnitContext context, KernelWidth width)
    {
        using var hessian = LayerHessian.FromValues(await inputs.ValuesAsync<double>(Roles.Hessian), spec.Groups, spec.Columns);
        var (inverse, rescues) = HessianPreparation.Invert(hessian, spec.Damping, width, inputs.CancellationToken);
        using (inverse)
            await context.WriteValuesAsync(Roles.Inverse, inverse.ToArray(), inputs.CancellationToken);
        return new UnitMetrics { Rescues = Named(rescues, spec.Layer.Name) };
    }

    private static async Task<UnitMetrics> TraceAsync(SolverInput input, RowsSpec spec, IUnitContext context, CancellationToken token)
    {
        var trace = LayerSolver.Trace(input, spec.Step, token);
        await context.WriteValuesAsync(Roles.Order, trace.Order, token);
        await context.WriteValuesAsync(Roles.Losses, trace.Losses, token);
        if (trace.Kept is { } kept)
            await context.WriteValuesAsync(Roles.Kept, kept, token);
        return new UnitMetrics { Rescues = trace.Rescues };
    }

    private static async Task<RowsResult> FinishAsync(SolverInput input, RowsSpec spec, UnitInputs inputs)
    {
        var counts = (await inputs.ValuesAsync<int>(Roles.Counts)).AsMemory(spec.FirstRow, spec.Rows);
        return spec.KeepsRows == true
            ? LayerSolver.Pick(input, spec.Step, await inputs.ValuesAsync<float>(Roles.Kept), counts.Span)
            : LayerSolver.Finish(input, spec.Step, await inputs.ValuesAsync<int>(Roles.Order), counts.Span, inputs.CancellationToken);
    }

    private static async Task<UnitMetrics> WriteAsync(RowsResult result, IUnitContext context, CancellationToken token)
    {
        await context.WriteValuesAsync(Roles.Weights, result.Weights.ToArray(), token);
        if (result.Quantized is { } quantized)
        {
            await context.WriteValuesAsync(Roles.Codes, quantized.Codes, token);
            await context.WriteValuesAsync(Roles.Scales, quantized.Scales, token);
            await context.WriteValuesAsync(Roles.Zeros, quantized.Zeros, token);
        }

        return new UnitMetrics
        {
            Loss = result.Loss,
            ZeroLoss = result.ZeroLoss,
            ZeroWeights = result.ZeroWeights,
            Weights = (long)result.Weights.Rows * result.Weights.Columns,
            Rescues = result.Rescues,
        };
    }

    private static List<Rescue> Named(IReadOnlyList<Rescue> rescues, string layer) =>
        [.. rescues.Select(rescue => rescue with { Layer = layer })];

    /// <summary>Rows done as a fraction of the unit.</summary>
    private sealed class RowProgress(IUnitContext context, int rows) : IProgress<int>
    {
        public void Report(int value) => context.Report(value / (double)rows);
    }
}
