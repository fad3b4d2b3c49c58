using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Solving;

/// <summary>The levels of one layer, solved and written.</summary>
internal static class LevelSolving
{
    public static LevelsResult Run(SolverInput input, CompressStepSpec step, IReadOnlyList<double> levels, string output, TimeProvider clock, CancellationToken cancellationToken)
    {
        var seconds = 0.0;
        var zeroLoss = 0.0;
        var rescues = new List<Rescue>();
        var database = Timed(() => LayerSolver.Levels(input, step, cancellationToken));
        rescues.AddRange(database.Rescues);
        IReadOnlyList<LevelResult> results = [];
        LayerFiles.Write(output, file => results = LevelFile.Write(file, levels, input.Rows, input.Columns, Candidates()));
        return new(step.Method, input.Rows, input.Columns, zeroLoss, results, seconds, [.. rescues.Distinct()]);

        IEnumerable<RowsResult> Candidates()
        {
            foreach (var level in levels)
            {
                var candidate = Timed(() => database.Candidate(level, cancellationToken));
                zeroLoss = candidate.ZeroLoss;
                rescues.AddRange(candidate.Rescues);
                yield return candidate;
            }
        }

        T Timed<T>(Func<T> compute)
        {
            var start = clock.GetTimestamp();
            var result = compute();
            seconds += clock.GetElapsedTime(start).TotalSeconds;
            return result;
        }
    }
}
