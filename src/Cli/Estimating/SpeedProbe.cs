using System.Security.Cryptography;
using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Cli.Estimating;

/// <summary>Measures what one core of this machine does a second on the work of a job: the product's own kernels and the model's own graphs, a second in all. Writes nothing.</summary>
/// <param name="threads">Slots that will compute at once.</param>
internal sealed class SpeedProbe(Stopwatches watches, KernelWidth width, int threads)
{
    /// <summary>Rows that the kernels are measured on; wider ones run at the rate of the widest.</summary>
    private static readonly int[] s_columns = [32, 128, 384, 768];

    /// <summary>How far the columns of a probe's Hessian are correlated.</summary>
    private const double CorrelationLength = 8;

    /// <summary>Operations of one run of a graph: tenths of a second at most.</summary>
    private const double TrialOperations = 3e9;

    /// <summary>A model that takes more for a single sample, seconds, is not run for an estimate.</summary>
    private const double MostOperations = 5e10;

    /// <summary>A larger model is not opened twice for an estimate.</summary>
    private const long TrialModelBytes = 128L << 20;

    /// <summary>The dense product that stands for graphs that are not tried: the runtime's own kernel on matrices that fill its caches.</summary>
    private const int ProductSize = 512;

    private const int ProductOpset = 13;

    /// <summary>How long a graph is run on all threads; programs beside it come and go in such times.</summary>
    private static readonly TimeSpan s_trial = TimeSpan.FromSeconds(0.4);

    private const int HashedBytes = 8 << 20;
    private const int GridLength = 2048;
    private const int GridBits = 4;
    private const int Trials = 2;

    private KernelSpeed? _kernels;

    /// <summary>Kernels only; graphs run at the rate of a dense product.</summary>
    public MachineSpeed Kernels(ModelRuntime runtime) => Kernels(Product(runtime));

    private MachineSpeed Kernels(double graphs) => MachineSpeed.Nominal with
    {
        SinglePrecision = Measured.Single,
        DoublePrecision = Measured.Double,
        Inversions = Measured.Inversions,
        GridWeights = Measured.GridWeights,
        HashBytes = Measured.HashBytes,
        Forward = graphs,
        Statistics = graphs,
        Contention = watches.Contention,
    };

    /// <summary>Kernels, and the plan's first statistics graph and forward pass on a few calibration samples.</summary>
    /// <param name="model">Read, not changed.</param>
    public MachineSpeed Of(JobPlan plan, ModelRuntime runtime, OnnxModel model, DataFile calibration)
    {
        var forward = 2.0 * Math.Max(plan.Settings.Macs, 1);
        if (plan.Settings.Model.Length + plan.Settings.ExternalBytes() > TrialModelBytes || forward > MostOperations)
            return Kernels(runtime);
        var prepared = ModelPreparation.Prepare(model.Clone(), plan.Settings.BatchNorm);
        var (forwardSeconds, openSeconds) = Trial(runtime, prepared, null, plan, calibration, forward);
        // Nothing but reconstruction asks for no Hessian.
        if (plan.StatisticsGroups.Count == 0)
            return Kernels(forward / forwardSeconds) with { OpenSeconds = openSeconds };
        LayerPlan[] layers = [.. plan.StatisticsGroups[0].Select(index => plan.Layers[index])];
        var statistics = PlanUnits.StatisticsOperations(plan, layers, 1);
        var graph = GramGraph.Build(prepared, ModelPartition.Of(prepared), layers.Select(layer => layer.Name));
        var outputs = graph.Targets.SelectMany(target => target.Outputs).Distinct().ToArray();
        var (statisticsSeconds, _) = Trial(runtime, graph.Model, outputs, plan, calibration, statistics);
        return Kernels(forward / forwardSeconds) with { Statistics = statistics / statisticsSeconds, OpenSeconds = openSeconds };
    }

    private KernelSpeed Measured => _kernels ??= new(Eliminations<float>(), Eliminations<double>(), Inversions(), Grids(), Hashing());

    /// <returns>Seconds a sample, and seconds to open the session.</returns>
    private (double Sample, double Open) Trial(ModelRuntime runtime, OnnxModel model, string[]? outputs, JobPlan plan, DataFile data, double operations)
    {
        var started = watches.Start();
        using var session = runtime.Open(model);
        var open = watches.Seconds(started);
        var shards = plan.Settings.CalibrationShards;
        var samples = (int)Math.Clamp(TrialOperations / operations, 1, shards.Batch);
        if (session.Inputs.Any(input => input.Shape.Count > 0 && input.Shape[0] > 0))
            samples = shards.Batch;
        var names = outputs ?? [session.Outputs[0].Name];
        var seconds = 0.0;
        foreach (var batch in DataSet.Match(data, session.Inputs, plan.Settings.Preprocess).Batches(0, samples, samples))
            seconds = Together(session, batch.Names, batch.Values, names);
        return (seconds / samples, open);
    }

    /// <summary>Operations a second of a dense product.</summary>
    private double Product(ModelRuntime runtime)
    {
        var builder = new GraphBuilder(ProductOpset);
        var matrix = builder.Input("matrix", Onnx.ElementType.Float32, ProductSize, ProductSize);
        var product = builder.MatMul(matrix, matrix);
        builder.Output(product);
        using var session = runtime.Open(builder.Build());
        float[] content = [.. Enumerable.Range(0, ProductSize * ProductSize).Select(i => MathF.Sin(i))];
        using var values = OrtValue.FromMemory<float>(content, [ProductSize, ProductSize]);
        return 2 * Math.Pow(ProductSize, 3) / Together(session, [matrix], [values], [product]);
    }

    private double Together(Session session, IReadOnlyList<string> names, IReadOnlyList<OrtValue> values, IReadOnlyList<string> outputs)
    {
        using var options = new RunOptions();
        // The first run asks for memory.
        Run();
        return watches.Together([.. Enumerable.Repeat(Run, threads)], s_trial);

        void Run() => session.Run(names, values, outputs, options).Dispose();
    }

    private SpeedPoint[] Eliminations<T>()
        where T : unmanaged, System.Numerics.IBinaryFloatingPointIeee754<T>
    {
        var points = new List<SpeedPoint>();
        foreach (var columns in s_columns)
        {
            using var inverse = Correlated<T>(columns);
            using var elimination = new ObsElimination<T>(columns, width);
            int[] active = [.. Enumerable.Range(0, columns)];
            var order = new int[columns];
            var losses = new double[columns];
            var seconds = Best(() =>
            {
                T[] weights = [.. active.Select(column => T.CreateTruncating(1 + column * 37 % 101))];
                var start = watches.Start();
                elimination.Prune(inverse, active, weights, order, losses);
                return watches.Seconds(start);
            });
            points.Add(new SpeedPoint(columns, JobEstimator.EliminationOperations(columns) / seconds));
        }

        return [.. points];
    }

    private double Inversions()
    {
        const int Columns = 384;
        using var matrix = Correlated<double>(Columns);
        using var copy = matrix.Clone();
        return Math.Pow(Columns, 3) / Best(() =>
        {
            matrix.CopyTo(copy);
            var start = watches.Start();
            SymmetricInverse.TryInvert(copy, out _, width);
            return watches.Seconds(start);
        });
    }

    private double Grids()
    {
        float[] row = [.. Enumerable.Range(0, GridLength).Select(i => MathF.Sin(i * 0.7f) * (1 + i % 13))];
        return GridLength / Best(() =>
        {
            var start = watches.Start();
            GridFit.Row(row, GridBits, GridKind.Mse, QuantizationScheme.Asymmetric);
            return watches.Seconds(start);
        });
    }

    private double Hashing()
    {
        var content = new byte[HashedBytes];
        return HashedBytes / Best(() =>
        {
            var start = watches.Start();
            SHA256.HashData(content);
            return watches.Seconds(start);
        });
    }

    /// <summary>A positive definite matrix whose neighbouring columns are alike.</summary>
    private static Matrix<T> Correlated<T>(int columns)
        where T : unmanaged, System.Numerics.IBinaryFloatingPointIeee754<T>
    {
        var matrix = new Matrix<T>(columns, columns);
        for (var i = 0; i < columns; i++)
        {
            for (var j = 0; j < columns; j++)
                matrix[i, j] = T.CreateTruncating(Math.Exp(-Math.Abs(i - j) / CorrelationLength));
        }

        return matrix;
    }

    /// <summary>The first trial also compiles.</summary>
    private static double Best(Func<double> trial) => Enumerable.Range(0, 1 + Trials).Select(_ => trial()).Skip(1).Min();

    private sealed record KernelSpeed(SpeedPoint[] Single, SpeedPoint[] Double, double Inversions, double GridWeights, double HashBytes);
}
