using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>
/// Per group the inverse of the damped Hessian H + λ·I, dead columns decoupled, and the λ that was used
/// (algorithms.md 5.3).
/// </summary>
public sealed class LayerInverse : IDisposable
{
    private readonly Matrix<double>[] _groups;
    private readonly double[] _lambdas;

    /// <summary>Takes over the matrices, one a group.</summary>
    public LayerInverse(Matrix<double>[] groups, double[] lambdas)
    {
        GroupMatrices.Check(groups);
        if (lambdas.Length != groups.Length)
            throw new ArgumentException($"{groups.Length} groups, {lambdas.Length} values of λ.", nameof(lambdas));
        _groups = groups;
        _lambdas = lambdas;
    }

    public int Groups => _groups.Length;

    public int Columns => _groups[0].Columns;

    /// <summary>Absolute damping of each group, in the units of the Hessian's diagonal.</summary>
    public IReadOnlyList<double> Lambdas => _lambdas;

    public Matrix<double> this[int group] => _groups[group];

    /// <summary>Number of values in an <c>inverse</c> blob.</summary>
    public static long ValueCount(int groups, int columns) => checked((long)groups * columns * columns + groups);

    /// <summary>Copies the content of an <c>inverse</c> blob: [groups × columns × columns], then one λ a group.</summary>
    /// <exception cref="ArgumentException">The number of values is not <see cref="ValueCount"/>.</exception>
    public static LayerInverse FromValues(ReadOnlySpan<double> values, int groups, int columns)
    {
        if (values.Length != ValueCount(groups, columns))
            throw new ArgumentException($"{ValueCount(groups, columns)} values expected, {values.Length} given.", nameof(values));
        return new(GroupMatrices.Split(values[..^groups], groups, columns), values[^groups..].ToArray());
    }

    /// <summary>The content of an <c>inverse</c> blob.</summary>
    public double[] ToArray()
    {
        var values = GroupMatrices.Join(_groups, Groups);
        _lambdas.CopyTo(values.AsSpan(^Groups));
        return values;
    }

    public void Dispose()
    {
        foreach (var group in _groups)
            group.Dispose();
    }

    /// <summary>The same inverse for columns in another order.</summary>
    internal LayerInverse Permute(ColumnOrder order) => new([.. _groups.Select(order.ApplySymmetric)], _lambdas);
}
