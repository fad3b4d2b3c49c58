namespace Orchestrator.Jobs.Estimates;

/// <summary>What one core of a machine does in a second of processor time, measured. It feeds estimates only: no unit is cut by it.</summary>
public sealed record MachineSpeed
{
    /// <summary>Eliminations in float: operations a second by columns of a row, ascending.</summary>
    public required IReadOnlyList<SpeedPoint> SinglePrecision { get; init; }

    /// <summary>Eliminations in double.</summary>
    public required IReadOnlyList<SpeedPoint> DoublePrecision { get; init; }

    /// <summary>Multiply-adds a second of a factorisation or an inversion in double.</summary>
    public required double Inversions { get; init; }

    /// <summary>Weights a second whose scale is searched for.</summary>
    public required double GridWeights { get; init; }

    /// <summary>Operations a second of the model's forward pass, two a multiply-accumulate.</summary>
    public required double Forward { get; init; }

    /// <summary>Operations a second of the graph that accumulates Hessians, forward pass included.</summary>
    public required double Statistics { get; init; }

    /// <summary>Seconds to open a session on the model.</summary>
    public required double OpenSeconds { get; init; }

    /// <summary>Bytes a second through SHA-256.</summary>
    public required double HashBytes { get; init; }

    /// <summary>Wall seconds that a second of processor time takes where all slots compute at once: 1 on an idle machine, more where others compute too.</summary>
    public double Contention { get; init; } = 1;

    /// <summary>Wall seconds until a small write, or an entry of a folder, is safe on the store's volume.</summary>
    public double FlushSeconds { get; init; } = 0.001;

    /// <summary>Bytes a second that become safe on that volume.</summary>
    public double WriteBytes { get; init; } = 5e8;

    /// <summary>Today's servers, for tests and for where nothing could be measured.</summary>
    public static MachineSpeed Nominal { get; } = new()
    {
        SinglePrecision = [new SpeedPoint(64, 3e9), new SpeedPoint(256, 2e10), new SpeedPoint(768, 4e10)],
        DoublePrecision = [new SpeedPoint(64, 2.5e9), new SpeedPoint(256, 1.2e10), new SpeedPoint(768, 2e10)],
        Inversions = 8e9,
        GridWeights = 2e6,
        Forward = 4e10,
        Statistics = 4e10,
        OpenSeconds = 0.02,
        HashBytes = 1e9,
    };
}

/// <param name="Columns">Columns of the row that was measured.</param>
/// <param name="Rate">Operations a second.</param>
public readonly record struct SpeedPoint(int Columns, double Rate)
{
    /// <summary>The rate at any number of columns: linear between the points in the logarithm of columns and rate, constant beyond them.</summary>
    public static double RateAt(IReadOnlyList<SpeedPoint> points, double columns)
    {
        if (columns <= points[0].Columns)
            return points[0].Rate;
        for (var i = 1; i < points.Count; i++)
        {
            if (columns > points[i].Columns)
                continue;
            var (from, to) = (points[i - 1], points[i]);
            var part = Math.Log(columns / from.Columns) / Math.Log((double)to.Columns / from.Columns);
            return from.Rate * Math.Pow(to.Rate / from.Rate, part);
        }

        return points[^1].Rate;
    }
}
