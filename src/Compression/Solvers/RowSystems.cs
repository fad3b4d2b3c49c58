using Orchestrator.Compression.Hessians;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// Hands each row its problem. Rows that start dense share their group's inverse. Rows that start pruned have their zeros
/// taken out of H before it is inverted (algorithms.md 5.4, 5.8), so that zeros stay exact and cost no time; rows with the same
/// zeros share that inverse.
/// </summary>
internal sealed class RowSystems : IDisposable
{
    private readonly SolverInput _input;
    private readonly int _blockSize;
    private readonly RescueLog _rescues;
    private readonly Dictionary<int, bool[]> _dead = [];
    private RowSystem? _current;
    private int _currentGroup = -1;
    private bool[] _currentZeros = [];

    /// <param name="blockSize">Pruned rows: a block of columns is active as a whole while one of its weights is.</param>
    public RowSystems(SolverInput input, int blockSize, RescueLog rescues)
    {
        _input = input;
        _blockSize = blockSize;
        _rescues = rescues;
    }

    /// <summary>The weights of a row in double, those of dead columns zero.</summary>
    public void Load(int row, Span<double> w)
    {
        var dead = Dead(GroupOf(row));
        var weights = _input.Weights.Row(row);
        for (var j = 0; j < w.Length; j++)
            w[j] = dead[j] ? 0 : weights[j];
    }

    /// <summary>The problem of a row with these weights; valid until the next call.</summary>
    public RowSystem For(int row, ReadOnlySpan<double> w, CancellationToken cancellationToken)
    {
        var group = GroupOf(row);
        if (!_input.StartsPruned)
        {
            if (group != _currentGroup)
                Replace(group, [], Whole(group, cancellationToken));
            return _current!;
        }

        var zeros = new bool[w.Length];
        for (var j = 0; j < zeros.Length; j++)
            zeros[j] = w[j] == 0;
        if (group != _currentGroup || !zeros.AsSpan().SequenceEqual(_currentZeros))
            Replace(group, zeros, Restricted(group, zeros, cancellationToken));
        return _current!;
    }

    public void Dispose() => _current?.Dispose();

    private int GroupOf(int row) => LayerHessian.GroupOf(_input.Shape, _input.FirstRow + row);

    /// <summary>The columns of a group whose inputs are all zero.</summary>
    public bool[] Dead(int group)
    {
        if (!_dead.TryGetValue(group, out var dead))
            _dead[group] = dead = HessianPreparation.DeadColumns(_input.Hessian[group]);
        return dead;
    }

    private void Replace(int group, bool[] zeros, RowSystem system)
    {
        _current?.Dispose();
        (_currentGroup, _currentZeros, _current) = (group, zeros, system);
    }

    private RowSystem Whole(int group, CancellationToken cancellationToken)
    {
        var mean = HessianPreparation.MeanDiagonal(_input.Hessian[group]);
        var decoupled = HessianPreparation.Decouple(_input.Hessian[group], Dead(group));
        if (_input.Inverse is { } inverse)
            return new(decoupled, true, inverse[group], false, inverse.Lambdas[group], mean, []);
        return Invert(decoupled, mean, [], cancellationToken);
    }

    private RowSystem Restricted(int group, bool[] zeros, CancellationToken cancellationToken)
    {
        var h = _input.Hessian[group];
        var columns = ActiveColumns(zeros);
        var restricted = new Matrix<double>(columns.Length, columns.Length);
        for (var i = 0; i < columns.Length; i++)
        {
            var from = h.Row(columns[i]);
            var to = restricted.Row(i);
            if (zeros[columns[i]])
            {
                to[i] = 1;
                continue;
            }

            for (var j = 0; j < columns.Length; j++)
                to[j] = zeros[columns[j]] ? 0 : from[columns[j]];
        }

        return Invert(restricted, HessianPreparation.MeanDiagonal(h), columns, cancellationToken);
    }

    private int[] ActiveColumns(bool[] zeros)
    {
        var columns = new List<int>(zeros.Length);
        for (var start = 0; start < zeros.Length; start += _blockSize)
        {
            if (zeros.AsSpan(start, _blockSize).Contains(false))
                columns.AddRange(Enumerable.Range(start, _blockSize));
        }

        return [.. columns];
    }

    private RowSystem Invert(Matrix<double> hessian, double mean, int[] columns, CancellationToken cancellationToken)
    {
        var (inverse, lambda) = DampedInverse.Of(hessian, mean, _input.Damping * mean, _input.Width, cancellationToken);
        _rescues.Damping(_input.Damping, mean, lambda);
        return new(hessian, true, inverse, true, lambda, mean, columns);
    }
}
