using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>
/// The averaged, undamped Hessian H = (2/N)·Σ x·xᵀ of a layer, one matrix [columns × columns] for each group of a grouped
/// convolution (algorithms.md 0.1). Symmetric; where the two triangles differ by rounding, the lower one counts.
/// </summary>
public sealed class LayerHessian : IDisposable
{
    private readonly Matrix<double>[] _groups;

    /// <summary>Takes over the matrices, one a group.</summary>
    public LayerHessian(params Matrix<double>[] groups)
    {
        GroupMatrices.Check(groups);
        _groups = groups;
    }

    public int Groups => _groups.Length;

    public int Columns => _groups[0].Columns;

    public Matrix<double> this[int group] => _groups[group];

    /// <summary>Copies values laid out as [groups × columns × columns], the content of a <c>hessian</c> blob.</summary>
    /// <exception cref="ArgumentException">The number of values is not groups × columns × columns.</exception>
    public static LayerHessian FromValues(ReadOnlySpan<double> values, int groups, int columns) =>
        new(GroupMatrices.Split(values, groups, columns));

    /// <summary>The values as [groups × columns × columns].</summary>
    public double[] ToArray() => GroupMatrices.Join(_groups, 0);

    public void Dispose()
    {
        foreach (var group in _groups)
            group.Dispose();
    }

    /// <summary>The same Hessian for columns in another order.</summary>
    internal LayerHessian Permute(ColumnOrder order) => new([.. _groups.Select(order.ApplySymmetric)]);

    /// <summary>The group whose Hessian a row of the layer has.</summary>
    internal static int GroupOf(LayerShape shape, int row) => row / (shape.Rows / shape.Groups);
}
