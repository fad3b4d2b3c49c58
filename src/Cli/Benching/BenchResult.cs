namespace Orchestrator.Cli.Benching;

/// <param name="Solver"><c>exact-obs</c>, <c>nm</c>, <c>block</c> or <c>obq</c>.</param>
internal sealed record BenchOptions(string Solver, int Rows, int Columns, int Threads);

/// <summary>What <c>orc bench --json</c> prints. Field names are a contract (design.md section 8).</summary>
internal sealed record BenchResult
{
    public required string Solver { get; init; }

    /// <summary>Wall time over rows.</summary>
    public required double MsPerRow { get; init; }

    /// <summary>rows·columns³/3 operations over seconds.</summary>
    public required double Gflops { get; init; }

    /// <summary>Register-only float multiply-adds at the widest vectors, on as many threads.</summary>
    public required double PeakGflops { get; init; }

    public required double FractionOfPeak { get; init; }

    /// <summary>One row by rank-1 updates of the whole matrix, in float.</summary>
    public required double EagerMsPerRow { get; init; }

    public required int Threads { get; init; }
    public required int Rows { get; init; }
    public required int Columns { get; init; }

    /// <summary>Kernel width.</summary>
    public required string Isa { get; init; }

    public required BenchPhases Phases { get; init; }
}

/// <summary>Seconds of each part of the measurement.</summary>
internal sealed record BenchPhases(double Hessian, double Inverse, double Elimination, double Eager, double Peak);
