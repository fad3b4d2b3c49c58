using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Hessians;

/// <summary>Gathers what a solver had to do differently, so that a unit reports each kind once, with counts and values.</summary>
internal sealed class RescueLog
{
    private int _deadColumns;
    private int _raised;
    private double _asked;
    private double _highest;
    private int _doubleRows;
    private double _worstDrift;
    private double _worstInflation;

    public void DeadColumns(int count) => _deadColumns += count;

    /// <summary>Notes that λ was used where <paramref name="damping"/> times the mean diagonal was asked for, if it differs.</summary>
    public void Damping(double damping, double meanDiagonal, double lambda)
    {
        if (lambda <= damping * meanDiagonal)
            return;
        _raised++;
        _asked = damping;
        _highest = Math.Max(_highest, lambda / meanDiagonal);
    }

    /// <summary>A row was computed again in double because its float result had drifted or broken down.</summary>
    public void DriftedRow(double drift)
    {
        _doubleRows++;
        _worstDrift = Math.Max(_worstDrift, drift);
    }

    /// <summary>A row was computed in double at once because its Hessian is too ill-conditioned for float.</summary>
    public void IllConditionedRow(double inflation)
    {
        _doubleRows++;
        _worstInflation = Math.Max(_worstInflation, inflation);
    }

    public IReadOnlyList<Rescue> ToList()
    {
        var rescues = new List<Rescue>();
        if (_deadColumns > 0)
            rescues.Add(new(null, "dead-columns", $"{_deadColumns} columns have only zero inputs; their weights are set to zero."));
        if (_raised > 0)
            rescues.Add(new(null, "damping-raised", $"Damping {_asked:g3} did not make the Hessian invertible; raised to {_highest:g3} of the mean diagonal ({_raised} times)."));
        if (_doubleRows > 0)
            rescues.Add(new(null, "double-precision", $"{_doubleRows} rows computed in double: {Reason()}."));
        return rescues;
    }

    private string Reason() => (_worstInflation, _worstDrift) switch
    {
        (> 0, 0) => $"the Hessian's condition (inflation {_worstInflation:g3}) is too much for float",
        (0, _) => $"float losses drifted by up to {_worstDrift:g3}",
        _ => $"the Hessian's condition (inflation {_worstInflation:g3}) is too much for float, and float losses drifted by up to {_worstDrift:g3}",
    };
}
