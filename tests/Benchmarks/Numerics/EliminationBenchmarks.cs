using BenchmarkDotNet.Attributes;
using Orchestrator.Numerics;

namespace Orchestrator.Benchmarks.Numerics;

/// <summary>One row through every method of the elimination, all its columns.</summary>
public class EliminationBenchmarks
{
    private readonly double[] _losses = new double[4096];
    private readonly int[] _codes = new int[4096];
    private readonly int[] _order = new int[4096];
    private Matrix<float> _inverse = new(0, 0);
    private IRowElimination<float> _elimination = new EagerElimination<float>(0);
    private float[] _row = [];
    private float[] _weights = [];

    [Params(576, 1152)]
    public int Columns { get; set; }

    [Params(32, 64, 96)]
    public int Pending { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        using var inverse = RandomProblem.Inverse(Columns, seed: 1);
        _inverse = inverse.Convert<float>();
        _row = RandomProblem.Row(Columns, seed: 2);
        _weights = new float[Columns];
        _elimination = new ObsElimination<float>(Columns, pending: Pending);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _inverse.Dispose();
        _elimination.Dispose();
    }

    [Benchmark(Baseline = true)]
    public EliminationResult Prune() => _elimination.Prune(_inverse, [], Weights(), _order.AsSpan(0, Columns), _losses);

    [Benchmark]
    public EliminationResult TwoOfFour() => _elimination.PruneGroups(_inverse, [], Weights(), 2, 4, _order.AsSpan(0, Columns), _losses);

    [Benchmark]
    public EliminationResult BlocksOfFour() => _elimination.PruneBlocks(_inverse, [], Weights(), 4, _order.AsSpan(0, Columns / 4), _losses);

    [Benchmark]
    public EliminationResult QuantizeToFourBits() =>
        _elimination.Quantize(_inverse, [], Weights(), new(2f / 15, 8, 15), _codes.AsSpan(0, Columns), _order.AsSpan(0, Columns), _losses);

    private Span<float> Weights()
    {
        _row.CopyTo(_weights, 0);
        return _weights;
    }
}
