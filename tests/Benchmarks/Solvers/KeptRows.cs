using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Orchestrator.Benchmarks.Numerics;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Benchmarks.Solvers;

/// <summary>
/// Both memory modes of algorithms.md 5.5 on one thread and a file store: <c>kept-rows FOLDER [REPEATS]</c>. What it costs to keep every row after every
/// step (in the trace, written, hashed, flushed, read, hashed, copied, picked) beside the closed form at 50 %. The last column is the constant
/// that a plan compares the two with, operations of the closed form in the time of a byte kept. Modes take turns; the best of the repeats, since other
/// programs can only slow them down.
/// </summary>
internal static class KeptRows
{
    private static readonly (int Rows, int Columns)[] s_sizes = [(48, 216), (48, 432), (24, 864), (12, 1152), (4, 2304)];
    private static readonly int[] s_units = [1, 4, 16];

    public static async Task RunAsync(string[] args)
    {
        var repeats = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 7;
        var blobs = new TensorBlobs(FileBlobStore.Open(args[0], TimeProvider.System));
        Console.WriteLine("| rows × columns | unit | MiB kept | keeping, ms a row | closed form, ms a row | keeping / closed form | ns a byte | GFLOP/s | operations a byte |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
        foreach (var (rows, columns) in s_sizes)
        {
            foreach (var unit in s_units.Where(unit => columns % unit == 0))
                await MeasureAsync(blobs, rows, columns, unit, repeats);
        }
    }

    private static async Task MeasureAsync(TensorBlobs blobs, int rows, int columns, int unit, int repeats)
    {
        using var weights = Matrix<float>.FromRows([.. Enumerable.Range(0, rows).SelectMany(row => RandomProblem.Row(columns, row))], rows, columns);
        using var hessian = new LayerHessian(RandomProblem.Hessian(columns, 1));
        var shape = new LayerShape(rows, columns, 1, 1);
        var step = new CompressStepSpec { Method = unit == 1 ? "exact-obs" : "block", Damping = 1e-4, Size = unit == 1 ? null : unit };
        using var inverse = HessianPreparation.Invert(hessian, step.Damping).Inverse;
        var input = new SolverInput(weights, hessian, shape) { Inverse = inverse };

        var (plain, kept, passed, picked, closed, measured) = (new Best(), new Best(), new Best(), new Best(), new Best(), new Best());
        var bytes = 0L;
        for (var repeat = 0; repeat < repeats; repeat++)
        {
            var trace = plain.Time(() => LayerSolver.Trace(input, step));
            var rowsKept = kept.Time(() => LayerSolver.Trace(input with { KeepsRows = true }, step)).Kept!;
            var counts = LayerSolver.Select(new SelectSpec(shape, unit, 0.5, MaskSelection.Heap), trace.Losses).Counts;
            var start = Stopwatch.GetTimestamp();
            // As workers write and read values.
            var blob = await blobs.WriteAsync($"local/attempts/{Guid.NewGuid():N}", MemoryMarshal.AsBytes(rowsKept.AsSpan()).ToArray(), CancellationToken.None);
            var values = MemoryMarshal.Cast<byte, float>((await blobs.ReadAsync(blob, CancellationToken.None)).Span).ToArray();
            passed.Add(Stopwatch.GetElapsedTime(start));
            picked.Time(() => LayerSolver.Pick(input, step, values, counts)).Dispose();
            closed.Time(() => LayerSolver.Finish(input, step, trace.Order, counts)).Dispose();
            // Both measure the loss of what they found, which is no cost of either.
            measured.Time(() => LayerSolver.Finish(input, step, trace.Order, new int[rows])).Dispose();
            bytes = blob.Length;
        }

        var keepSeconds = Math.Max(kept.Seconds - plain.Seconds, 0) + passed.Seconds + Math.Max(picked.Seconds - measured.Seconds, 0);
        var closeSeconds = closed.Seconds - measured.Seconds;
        var operations = rows * (Math.Pow(columns / 2.0, 3) / 3 + (double)columns * columns);
        var nanoseconds = keepSeconds * 1e9 / bytes;
        var rate = operations / closeSeconds / 1e9;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {rows} × {columns} | {unit} | {bytes / 1048576.0:f0} | {keepSeconds * 1e3 / rows:f2} | {closeSeconds * 1e3 / rows:f2} | {keepSeconds / closeSeconds:f2} | {nanoseconds:f2} | {rate:f1} | {nanoseconds * rate:f0} |"));
    }

    private sealed class Best
    {
        public double Seconds { get; private set; } = double.MaxValue;

        public void Add(TimeSpan time) => Seconds = Math.Min(Seconds, time.TotalSeconds);

        public T Time<T>(Func<T> compute)
        {
            var start = Stopwatch.GetTimestamp();
            var result = compute();
            Add(Stopwatch.GetElapsedTime(start));
            return result;
        }
    }
}
