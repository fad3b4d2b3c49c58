using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>
/// Stands in for the numerics: outputs are hashes of everything the unit's result may depend on. Takes virtual time, sometimes more than a
/// lease; sometimes fails, sometimes does not hear that it should stop.
/// </summary>
internal sealed class StubRunner(TimeProvider clock, FaultPlan faults, double failures, string worker) : IUnitRunner
{
    private const double LongUnits = 0.03;
    private const double StubbornUnits = 0.2;

    private readonly Dice _pace = new(3, worker);

    public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
    {
        var inputs = new List<byte[]>();
        foreach (var input in unit.Inputs)
            inputs.Add(SHA256.HashData((await context.ReadAsync(input.Blob, cancellationToken)).Span));
        var time = _pace.NextDouble() < LongUnits ? _pace.Between(20, 60) : _pace.Between(0.1, 4);
        await Task.Delay(time, clock, _pace.NextDouble() < StubbornUnits ? CancellationToken.None : cancellationToken);
        if (faults.Strike($"{worker}/unit", failures) is { } dice)
            throw dice.OneOf<Exception>(new InvalidOperationException("The unit went wrong."), new InsufficientMemoryException("The device is full."), new IOException("The disk is full."));
        if (unit.Spec is ReconstructSpec)
            inputs.Add(await TuneAsync(unit, context, inputs, cancellationToken));
        foreach (var role in RolesOf(unit))
            await context.WriteAsync(role, Content(unit, role, inputs), cancellationToken);
        return Metrics(unit);
    }

    /// <summary>A chain of states, each a hash of the one before: whoever goes on from a wrong one comes to another end.</summary>
    private async Task<byte[]> TuneAsync(WorkUnit unit, IUnitContext context, List<byte[]> inputs, CancellationToken cancellationToken)
    {
        const int MostStrides = 6;
        var (number, state) = await context.ReadStateAsync(cancellationToken) is { } left ? (left.Number, left.Content.ToArray()) : (0, Content(unit, "state", inputs));
        var strides = 1 + inputs[0][0] % MostStrides;
        while (number < strides)
        {
            await Task.Delay(_pace.Between(0.5, 10), clock, _pace.NextDouble() < StubbornUnits ? CancellationToken.None : cancellationToken);
            if (faults.Strike($"{worker}/stride", failures) is { } dice)
                throw dice.OneOf<Exception>(new InvalidOperationException("The step went wrong."), new IOException("The disk is full."));
            number++;
            state = SHA256.HashData(state);
            await context.WriteStateAsync(new UnitState(number, state), cancellationToken);
        }

        return state;
    }

    private static string[] RolesOf(WorkUnit unit) => unit.Spec switch
    {
        GramSpec s => [.. s.Layers.Select(l => $"{Roles.Gram}/{l.Index}")],
        HessianSpec => [Roles.Hessian, Roles.Weights],
        InverseSpec => [Roles.Inverse],
        RowsSpec { Phase: RowsPhase.Trace, KeepsRows: true } => [Roles.Order, Roles.Losses, Roles.Kept],
        RowsSpec { Phase: RowsPhase.Trace } => [Roles.Order, Roles.Losses],
        RowsSpec { Step.Bits: not null, Phase: RowsPhase.Solve } => [Roles.Weights, Roles.Codes, Roles.Scales, Roles.Zeros],
        RowsSpec => [Roles.Weights],
        SelectSpec => [Roles.Counts],
        AssembleSpec => [Roles.Model],
        CaptureSpec => [Roles.Activations],
        StepSizesSpec => [Roles.StepSizes],
        ReconstructSpec { Phase: ReconstructionPhase.Activations } => [Roles.StepSizes],
        ReconstructSpec { Phase: ReconstructionPhase.Joint } s => [.. WeightRoles(s), Roles.StepSizes],
        ReconstructSpec s => [.. WeightRoles(s)],
        _ => [],
    };

    private static IEnumerable<string> WeightRoles(ReconstructSpec spec) =>
        spec.Group.Layers.SelectMany(l => new[] { Roles.Weights, Roles.Codes, Roles.Scales, Roles.Zeros }.Select(role => $"{role}/{l.Layer.Index}"));

    private static byte[] Content(WorkUnit unit, string role, IEnumerable<byte[]> inputs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{unit.Key}\n{role}\n"));
        foreach (var input in inputs)
            hash.AppendData(input);
        return hash.GetHashAndReset();
    }

    private static UnitMetrics Metrics(WorkUnit unit) => unit.Spec switch
    {
        RowsSpec s => new UnitMetrics { Loss = s.Rows, ZeroLoss = 2.0 * s.Rows, Weights = s.Rows * (long)s.Layer.Columns, ZeroWeights = s.Rows },
        EvaluateSpec s => new UnitMetrics { MetricSum = s.Count / 2.0, MetricCount = s.Count, LatencyMs = s.Latency ? 1 : null },
        AssembleSpec => new UnitMetrics { ModelBytes = 1_000 },
        ReconstructSpec s => new UnitMetrics
        {
            Reconstruction = new ReconstructionMetrics
            {
                Phase = s.Phase,
                NearestLoss = 2,
                Loss = 1,
                Iterations = s.Parameters.Iterations,
                Rate = s.Parameters.Rate,
                Curve = [new CurvePoint(1, 2, 1)],
                Layers = [.. s.Group.Layers.Select(l => new ReconstructedLayerMetrics(l.Layer.Index, "brecq", 100, 1, 0.1, 1))],
            },
        },
        _ => new UnitMetrics(),
    };
}
