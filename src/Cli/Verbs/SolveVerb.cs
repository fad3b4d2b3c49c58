using System.CommandLine;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Solving;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc solve</c>: one layer from files.</summary>
internal sealed class SolveVerb
{
    private readonly Option<string> _weights = new("--weights") { Description = "Weights, float32 [rows × columns]", HelpName = "W.npy", Required = true };
    private readonly Option<string> _hessian = new("--hessian") { Description = "Averaged 2·X·Xᵀ, [columns × columns]", HelpName = "H.npy", Required = true };
    private readonly Option<string> _method = new("--method") { Description = "exact-obs, nm, block, obq or rtn", HelpName = "METHOD", Required = true };
    private readonly Option<double?> _sparsity = new("--sparsity") { Description = "Fraction of zeros (exact-obs, block)", HelpName = "S" };
    private readonly Option<string?> _levels = new("--levels") { Description = "Many sparsities from one trace, in place of --sparsity: fractions with commas between, or paper for 0, 0.1, 0.19, … (densities 0.9^k) to 0.99, blocks to 0.95", HelpName = "S,S,…" };
    private readonly Option<string?> _pattern = new("--pattern") { Description = $"Keep N of every M consecutive columns (nm; default {SolveOptions.DefaultPattern})", HelpName = "N:M" };
    private readonly Option<int?> _blockSize = new("--block-size") { Description = $"Consecutive columns that go together (block; default {SolveOptions.DefaultBlockSize})", HelpName = "C" };
    private readonly Option<int?> _bits = new("--bits") { Description = $"{RecipeLimits.MinBits} to {RecipeLimits.MaxBits} (obq, rtn)", HelpName = "B" };
    private readonly Option<string?> _grid = new("--grid") { Description = "minmax or mse (obq, rtn; default mse)", HelpName = "GRID" };
    private readonly Option<bool> _symmetric = new("--symmetric") { Description = "Symmetric grid (obq, rtn)" };
    private readonly Option<string?> _select = new("--select") { Description = "heap, sort or exact: the global mask's rule (exact-obs, block; default heap)", HelpName = "HOW" };
    private readonly Option<double> _damping = new("--damping") { Description = "Added to H's diagonal, as a fraction of its mean", HelpName = "F", DefaultValueFactory = _ => CompressStep.DefaultDamping };
    private readonly Option<string> _out = new("--out") { Description = "Solved weights, float32 [rows × columns]; with --levels an .npz of weights [levels × rows × columns], level, sparsity and loss [levels]", HelpName = "O.npy", Required = true };

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new SolveVerb();
        var verb = new VerbCommand("solve", "Prune or quantize one layer from its weights and Hessian, columns as given.",
            "orc solve --weights W.npy --hessian H.npy --method exact-obs --sparsity 0.7 --out O.npy",
            "orc solve --weights W.npy --hessian H.npy --method obq --bits 4 --symmetric --out O.npy --json",
            "orc solve --weights W.npy --hessian H.npy --method nm --pattern 2:4 --damping 0 --out O.npy",
            "orc solve --weights W.npy --hessian H.npy --method exact-obs --levels paper --out levels.npz")
        {
            options._weights, options._hessian, options._method, options._sparsity, options._levels, options._pattern, options._blockSize,
            options._bits, options._grid, options._symmetric, options._select, options._damping, options._out,
        };
        verb.Handle(surroundings, json, (parsed, context, cancellation) => Task.FromResult(options.Run(parsed, context, cancellation)));
        return verb;
    }

    private int Run(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        var options = ReadOptions(parsed);
        var step = options.ToStep();
        var levels = options.ToLevels();
        var surroundings = context.Surroundings;
        var output = surroundings.Resolve(parsed.GetRequiredValue(_out));
        CheckOutput(output);
        using var weights = LayerFiles.ReadWeights("--weights", surroundings.Resolve(parsed.GetRequiredValue(_weights)));
        CheckShape(step, weights.Columns);
        using var hessian = LayerFiles.ReadHessian("--hessian", surroundings.Resolve(parsed.GetRequiredValue(_hessian)), weights.Columns);
        var input = new SolverInput(weights, hessian, new LayerShape(weights.Rows, weights.Columns, 1, 1)) { Damping = step.Damping };
        if (levels is null)
            SolveOne(input, step, output, context, cancellation);
        else
            SolveLevels(input, step, levels, output, context, cancellation);
        context.People.MarkupLineInterpolated($"  written to {output}");
        return ExitCodes.Success;
    }

    private static void SolveOne(SolverInput input, CompressStepSpec step, string output, VerbContext context, CancellationToken cancellation)
    {
        var clock = context.Surroundings.Clock;
        var start = clock.GetTimestamp();
        using var solved = LayerSolver.Run(input, step, cancellation);
        var seconds = clock.GetElapsedTime(start).TotalSeconds;
        LayerFiles.Write(output, solved.Weights);

        double? relative = solved.ZeroLoss > 0 ? solved.Loss / solved.ZeroLoss : null;
        var result = new SolveResult(step.Method, input.Rows, input.Columns, solved.Loss, relative, solved.Sparsity, seconds, solved.Rescues);
        context.WriteResult(result);
        PrintHead(context.People, result.Method, result.Rows, result.Columns, result.Seconds);
        context.People.MarkupLineInterpolated($"  loss {Figures.Significant(result.Loss)}, {Figures.Percent(result.RelativeLoss)} of that of an all-zero layer; {Figures.Percent(result.Sparsity)} zeros");
        PrintRescues(context.People, result.Rescues);
    }

    private static void SolveLevels(SolverInput input, CompressStepSpec step, IReadOnlyList<double> levels, string output, VerbContext context, CancellationToken cancellation)
    {
        var result = LevelSolving.Run(input, step, levels, output, context.Surroundings.Clock, cancellation);
        context.WriteResult(result);
        PrintHead(context.People, $"{result.Method}, {levels.Count} levels", result.Rows, result.Columns, result.Seconds);
        foreach (var level in result.Levels)
            context.People.MarkupLineInterpolated($"  {Figures.Percent(level.Sparsity),7} zeros   loss {Figures.Significant(level.Loss),9}   {Figures.Percent(level.RelativeLoss),7} of that of an all-zero layer");
        PrintRescues(context.People, result.Rescues);
    }

    private SolveOptions ReadOptions(ParseResult parsed) => new()
    {
        Method = parsed.GetRequiredValue(_method),
        Sparsity = parsed.GetValue(_sparsity),
        Levels = parsed.GetValue(_levels),
        Pattern = parsed.GetValue(_pattern),
        BlockSize = parsed.GetValue(_blockSize),
        Bits = parsed.GetValue(_bits),
        Grid = parsed.GetValue(_grid),
        Symmetric = parsed.GetValue(_symmetric),
        Select = parsed.GetValue(_select),
        Damping = parsed.GetValue(_damping),
    };

    private static void CheckOutput(string output)
    {
        const string Remedy = "Give the path of a file to write.";
        if (Directory.Exists(output))
            throw new InputException("output-not-writable", "--out", $"'{output}' is a folder", Remedy);
        var folder = Path.GetDirectoryName(output)!;
        if (!Directory.Exists(folder))
            throw new InputException("output-not-writable", "--out", $"the folder '{folder}' does not exist", Remedy);
        Writability.Check(folder, "output-not-writable", Remedy);
    }

    private static void CheckShape(CompressStepSpec step, int columns)
    {
        if (step.Group is { } group && columns % group != 0)
            throw new InputException("data-shape", "--pattern", $"{columns} columns are no multiple of {group}", "Choose a pattern whose M divides the columns.");
        if (step.Size is { } size && columns % size != 0)
            throw new InputException("data-shape", "--block-size", $"{columns} columns are no multiple of {size}", "Choose a block size that divides the columns.");
    }

    private static void PrintHead(IAnsiConsole console, string what, int rows, int columns, double seconds) =>
        console.MarkupLineInterpolated($"[bold]{what}[/] on {rows} × {columns} in {Figures.Duration(seconds)}");

    private static void PrintRescues(IAnsiConsole console, IReadOnlyList<Rescue> rescues)
    {
        foreach (var rescue in rescues)
            console.MarkupLineInterpolated($"  [yellow]{rescue.Kind}[/]: {rescue.Detail}");
    }
}
