using System.Security.Cryptography;
using System.Text;
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
        foreach (var role in RolesOf(unit))
            await context.WriteAsync(role, Content(unit, role, inputs), cancellationToken);
        return Metrics(unit);
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
        _ => [],
    };

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
        _ => new UnitMetrics(),
    };
}
