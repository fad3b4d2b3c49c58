using Orchestrator.Numerics;

namespace Orchestrator.Cli.Benching;

/// <summary>Measures a solver's inner loop, the machine's peak and the eager method, in one process (design.md section 8).</summary>
internal static class SolverBench
{
    public static readonly string[] Solvers = ["exact-obs", "nm", "block", "obq"];

    /// <summary>Multiples of the block and the group size keep every solver's problem whole.</summary>
    public const int ColumnUnit = 4;

    public static BenchResult Run(BenchOptions options, TimeProvider clock, CancellationToken cancellationToken)
    {
        var seconds = new Dictionary<string, double>();
        var start = clock.GetTimestamp();
        void Finished(string phase)
        {
            seconds[phase] = clock.GetElapsedTime(start).TotalSeconds;
            start = clock.GetTimestamp();
            cancellationToken.ThrowIfCancellationRequested();
        }

        using var problem = BenchProblem.Create(options.Rows, options.Columns, Finished);
        Eliminate(options, problem, Math.Min(options.Rows, options.Threads), cancellationToken);
        Finished("warm-up");
        Eliminate(options, problem, options.Rows, cancellationToken);
        Finished("elimination");
        using (var eager = new BenchRow(new EagerElimination<float>(options.Columns), options.Solver, options.Columns))
            eager.Run(problem, 0);
        Finished("eager");
        var peak = PeakMeter.Measure(options.Threads, clock);
        Finished("peak");

        var operations = options.Rows * Math.Pow(options.Columns, 3) / 3;
        var gflops = operations / seconds["elimination"] / 1e9;
        return new BenchResult
        {
            Solver = options.Solver,
            MsPerRow = seconds["elimination"] * 1e3 / options.Rows,
            Gflops = gflops,
            PeakGflops = peak,
            FractionOfPeak = gflops / peak,
            EagerMsPerRow = seconds["eager"] * 1e3,
            Threads = options.Threads,
            Rows = options.Rows,
            Columns = options.Columns,
            Isa = KernelWidths.Name(KernelWidths.Best),
            Phases = new BenchPhases(seconds["hessian"], seconds["inverse"], seconds["elimination"], seconds["eager"], seconds["peak"]),
        };
    }

    /// <summary>Rows are dealt out in turn: all cost the same.</summary>
    private static void Eliminate(BenchOptions options, BenchProblem problem, int rows, CancellationToken cancellationToken)
    {
        var threads = Enumerable.Range(0, options.Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                using var workspace = new BenchRow(new ObsElimination<float>(options.Columns), options.Solver, options.Columns);
                for (var row = thread; row < rows; row += options.Threads)
                {
                    cancellationToken.ThrowIfCancellationRequested();
                    workspace.Run(problem, row);
                }
            },
            cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        Task.WhenAll(threads).GetAwaiter().GetResult();
    }
}
