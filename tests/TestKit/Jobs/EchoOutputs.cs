using System.Security.Cryptography;
using System.Text;
using Orchestrator.Jobs.Units;

namespace Orchestrator.TestKit.Jobs;

/// <summary>What a unit would write if its work were hashing: bytes that depend on everything its result may depend on and on nothing else.</summary>
public static class EchoOutputs
{
    /// <summary>The roles that the unit's spec defines.</summary>
    public static IReadOnlyList<string> Roles(WorkUnit unit) => unit.Spec switch
    {
        GramSpec s => [.. s.Layers.Select(l => $"gram/{l.Index}")],
        HessianSpec => ["hessian", "weights"],
        InverseSpec => ["inverse"],
        RowsSpec { Phase: RowsPhase.Trace } => ["order", "losses"],
        RowsSpec { Phase: RowsPhase.Finish } => ["weights"],
        RowsSpec { Step.Bits: null } => ["weights"],
        RowsSpec => ["weights", "codes", "scales", "zeros"],
        SelectSpec => ["counts"],
        AssembleSpec => ["model"],
        CaptureSpec => ["activations"],
        StepSizesSpec => ["step-sizes"],
        ReconstructSpec { Phase: ReconstructionPhase.Activations } => ["step-sizes"],
        ReconstructSpec s => [.. s.Group.Layers.SelectMany(l => new[] { "weights", "codes", "scales", "zeros" }.Select(role => $"{role}/{l.Layer.Index}")), .. s.Activations is null ? [] : new[] { "step-sizes" }],
        _ => [],
    };

    /// <param name="inputs">Contents of the unit's inputs, in their order.</param>
    public static byte[] Content(WorkUnit unit, string role, IEnumerable<ReadOnlyMemory<byte>> inputs)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(CanonicalJson.Serialize(unit.Spec));
        hash.AppendData(Encoding.UTF8.GetBytes($"{unit.Profile}\n{role}\n"));
        foreach (var input in inputs)
            hash.AppendData(SHA256.HashData(input.Span));
        return hash.GetHashAndReset();
    }

    public static UnitMetrics Metrics(WorkUnit unit) => unit.Spec switch
    {
        RowsSpec s => new UnitMetrics { Loss = s.Rows, ZeroLoss = 2.0 * s.Rows, Weights = s.Rows * (long)s.Layer.Columns, ZeroWeights = s.Rows },
        EvaluateSpec s => new UnitMetrics { MetricSum = s.Count / 2.0, MetricCount = s.Count, LatencyMs = s.Latency ? 1.5 : null },
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
                Curve = [new CurvePoint(s.Parameters.Iterations, 1, 0)],
                Layers = [.. s.Group.Layers.Select(l => new ReconstructedLayerMetrics(l.Layer.Index, "brecq", 100, 25, 0.1, 1))],
            },
        },
        CompareSpec s => new UnitMetrics { Checks = [.. s.Layers.Select(l => new LayerCheck(l.Name, 0.1, 0.9))] },
        _ => new UnitMetrics(),
    };
}
