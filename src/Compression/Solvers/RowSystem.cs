using Orchestrator.Compression.Hessians;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>The quadratic problem of a row, or of many rows with the same active columns.</summary>
internal sealed class RowSystem : IDisposable
{
    private readonly bool _ownsHessian;
    private readonly bool _ownsInverse;
    private Matrix<float>? _singleInverse;

    /// <param name="hessian">[m × m], undamped.</param>
    /// <param name="columns">Place in the row of each of the m columns, ascending; empty for the identity.</param>
    public RowSystem(Matrix<double> hessian, bool ownsHessian, Matrix<double> inverse, bool ownsInverse, double lambda, double meanDiagonal, int[] columns)
    {
        Hessian = hessian;
        _ownsHessian = ownsHessian;
        Inverse = inverse;
        _ownsInverse = ownsInverse;
        Lambda = lambda;
        MeanDiagonal = meanDiagonal;
        Columns = columns;
        Inflation = DampedInverse.Inflation(hessian, lambda, inverse);
    }

    public Matrix<double> Hessian { get; }

    public Matrix<double> Inverse { get; }

    public Matrix<float> SingleInverse => _singleInverse ??= Inverse.Convert<float>();

    public double Lambda { get; }

    /// <summary>Mean diagonal of the group's whole Hessian: the unit of the damping.</summary>
    public double MeanDiagonal { get; }

    public int[] Columns { get; }

    /// <summary>How much rounding errors grow, <see cref="DampedInverse.Inflation"/>.</summary>
    public double Inflation { get; }

    /// <summary>The same problem, damped more; null at the end of the ladder.</summary>
    public RowSystem? Raise(KernelWidth width, CancellationToken cancellationToken)
    {
        var higher = DampedInverse.Ladder(MeanDiagonal, Lambda).ElementAtOrDefault(1);
        if (higher == 0)
            return null;
        var (inverse, lambda) = DampedInverse.Of(Hessian, MeanDiagonal, higher, width, cancellationToken);
        return new(Hessian, false, inverse, true, lambda, MeanDiagonal, Columns);
    }

    /// <summary>½·δ·(H + λI)·δᵀ of a change of the row; places outside the map do not change.</summary>
    public double Loss(ReadOnlySpan<double> before, ReadOnlySpan<double> after)
    {
        var delta = new double[Hessian.Columns];
        for (var j = 0; j < delta.Length; j++)
        {
            var place = Columns.Length == 0 ? j : Columns[j];
            delta[j] = (after.IsEmpty ? 0 : after[place]) - before[place];
        }

        return LayerLoss.Row(Hessian, delta, Lambda);
    }

    public void Dispose()
    {
        _singleInverse?.Dispose();
        if (_ownsInverse)
            Inverse.Dispose();
        if (_ownsHessian)
            Hessian.Dispose();
    }
}
