using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Runs every kind of unit. One for all slots of a worker.</summary>
/// <param name="width">Kernel width of the job's numeric profile.</param>
/// <param name="time">For durations only; no result depends on it.</param>
public sealed class UnitRunner(ModelRuntime runtime, KernelWidth width, TimeProvider time) : IUnitRunner, IReclaimable, IDisposable
{
    private readonly PreparedModels _models = new();
    private readonly ReconstructUnits _reconstruction = new(new GroupTuner(runtime), new ObqFallback(runtime));

    public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        var metrics = await DispatchAsync(unit, context, cancellationToken);
        return metrics with { Seconds = time.GetElapsedTime(started).TotalSeconds };
    }

    public void Reclaim() => _models.Reclaim();

    public void Dispose() => _models.Dispose();

    private Task<UnitMetrics> DispatchAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
    {
        var inputs = new UnitInputs(unit, context, cancellationToken);
        return unit.Spec switch
        {
            OutlineSpec spec => ModelUnits.OutlineAsync(spec, inputs, context),
            GramSpec spec => StatisticsUnits.GramAsync(spec, inputs, context, _models, runtime),
            HessianSpec spec => StatisticsUnits.HessianAsync(spec, inputs, context, _models),
            InverseSpec spec => RowsUnits.InvertAsync(spec, inputs, context, width),
            RowsSpec spec => RowsUnits.RunAsync(spec, inputs, context, width),
            SelectSpec spec => RowsUnits.SelectAsync(spec, inputs, context),
            AssembleSpec spec => AssembleUnit.RunAsync(spec, inputs, context, runtime),
            EvaluateSpec spec => ModelUnits.EvaluateAsync(spec, inputs, context, runtime, time),
            MomentsSpec spec => CorrectionUnits.MomentsAsync(spec, inputs, context, _models, runtime),
            CorrectionSpec spec => CorrectionUnits.CorrectAsync(spec, inputs, context),
            CompareSpec spec => ModelUnits.CompareAsync(spec, inputs, _models, runtime),
            CaptureSpec spec => _reconstruction.CaptureAsync(spec, inputs, context, _models),
            StepSizesSpec spec => StepSizesUnit.RunAsync(spec, inputs, context, _models, runtime),
            ReconstructSpec spec => _reconstruction.TuneAsync(spec, unit.Key, inputs, context, _models, width),
            _ => throw new NotSupportedException($"This worker knows no unit of type {unit.Spec.GetType().Name}."),
        };
    }
}
