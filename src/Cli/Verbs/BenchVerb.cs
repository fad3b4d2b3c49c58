using System.CommandLine;
using Orchestrator.Cli.Benching;
using Orchestrator.Cli.Reports;
using Orchestrator.Jobs;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc bench SOLVER</c></summary>
internal static class BenchVerb
{
    private const int DefaultRows = 64;
    private const int DefaultColumns = 1152;
    private const int MostColumns = 16_384;
    private const int MostRows = 1 << 20;

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var solver = new Argument<string>("SOLVER") { Description = string.Join(", ", SolverBench.Solvers) };
        var rows = new Option<int>("--rows") { Description = "Rows of the layer", HelpName = "R", DefaultValueFactory = _ => DefaultRows };
        var columns = new Option<int>("--columns") { Description = $"Columns of the layer, a multiple of {SolverBench.ColumnUnit}", HelpName = "C", DefaultValueFactory = _ => DefaultColumns };
        var threads = new Option<int>("--threads") { Description = "Threads", HelpName = "T", DefaultValueFactory = _ => 1 };
        var verb = new VerbCommand("bench", "Measure a solver on a random layer, beside the machine's peak and the eager method.",
            "orc bench exact-obs", "orc bench obq --columns 576 --threads 2 --json")
        {
            solver, rows, columns, threads,
        };
        verb.Handle(surroundings, json, (parsed, context, cancellation) =>
        {
            var options = new BenchOptions(parsed.GetRequiredValue(solver), parsed.GetValue(rows), parsed.GetValue(columns), parsed.GetValue(threads));
            Check(options);
            var result = SolverBench.Run(options, surroundings.Clock, cancellation);
            context.WriteResult(result);
            Print(context.People, result);
            return Task.FromResult(ExitCodes.Success);
        });
        return verb;
    }

    private static void Check(BenchOptions options)
    {
        OptionChecks.OneOf("SOLVER", options.Solver, SolverBench.Solvers);
        OptionChecks.Within("--rows", options.Rows, 1, MostRows);
        OptionChecks.Within("--columns", options.Columns, SolverBench.ColumnUnit, MostColumns);
        OptionChecks.Within("--threads", options.Threads, 1, 1024);
        if (options.Columns % SolverBench.ColumnUnit != 0)
            throw new InputException("option-invalid", "--columns", $"{options.Columns} is not a multiple of {SolverBench.ColumnUnit}", "Blocks and groups of four must fit.");
    }

    private static void Print(IAnsiConsole console, BenchResult result)
    {
        console.MarkupLineInterpolated($"[bold]{result.Solver}[/], {result.Rows} × {result.Columns}, {result.Threads} thread(s), {result.Isa}");
        console.MarkupLineInterpolated($"  {Figures.Significant(result.MsPerRow)} ms a row");
        console.MarkupLineInterpolated($"  {Figures.Significant(result.Gflops)} of {Figures.Significant(result.PeakGflops)} GFLOP/s, {Figures.Percent(result.FractionOfPeak)} of the peak");
        console.MarkupLineInterpolated($"  eager method: {Figures.Significant(result.EagerMsPerRow)} ms a row, {Figures.Significant(result.EagerMsPerRow / result.MsPerRow)} times as long");
    }
}
