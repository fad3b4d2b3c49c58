using BenchmarkDotNet.Attributes;
using Orchestrator.Numerics;

namespace Orchestrator.Benchmarks.Numerics;

/// <summary>What is done once per layer, in double.</summary>
public class LinearAlgebraBenchmarks
{
    private Matrix<double> _hessian = new(0, 0);
    private Matrix<double> _work = new(0, 0);

    [Params(576, 1152)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _hessian = RandomProblem.Hessian(Columns, seed: 1);
        _work = _hessian.Clone();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _hessian.Dispose();
        _work.Dispose();
    }

    [Benchmark]
    public bool Factor()
    {
        _hessian.CopyTo(_work);
        return Cholesky.TryFactor(_work, out _);
    }

    [Benchmark(Baseline = true)]
    public bool Invert()
    {
        _hessian.CopyTo(_work);
        return SymmetricInverse.TryInvert(_work, out _);
    }

    [Benchmark]
    public void RankK() => SymmetricRankK.Update(_work, 0.0, 1.0, _hessian);
}
