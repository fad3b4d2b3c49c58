using System.Diagnostics;
using System.Globalization;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>
/// A whole network, weights alone, group after group on the quantized prefix, on one thread: <c>reconstruct FOLDER BITS layer|block|stage|net [ITERATIONS]
/// [SEED] [LAMBDA]</c>, where FOLDER is a sample's. The first layer has its nearest codes of 8 bits, the last one has 8 bits, as in the original.
/// </summary>
internal static class ReconstructedNetwork
{
    private const int Samples = 1_024;
    private const int Batch = 128;
    private const int EightBits = 8;

    private static readonly Preprocess s_preprocess = new() { Scale = 1 / 255d, Mean = [0.2860], Std = [0.3530] };

    public static async Task RunAsync(string[] args)
    {
        var (folder, bits, granularity) = (args[0], Number(args[1]), Enum.Parse<Granularity>(args[2], ignoreCase: true));
        var (iterations, seed) = (args.Length > 3 ? Number(args[3]) : 1_000, args.Length > 4 ? Number(args[4]) : 0);
        var lambda = args.Length > 5 ? double.Parse(args[5], CultureInfo.InvariantCulture) : 0.01;
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var runtime = new ModelRuntime(environment);
        var model = ModelPreparation.Prepare(OnnxModel.Load(Directory.GetFiles(folder, "*.onnx").Single()), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        int BitsOf(Layer layer) => layer == partition.Layers[0] || layer == partition.Layers[^1] ? EightBits : bits;
        var nearest = model.Clone();
        foreach (var layer in partition.Layers)
            Write(nearest, layer.Name, Nearest(layer, BitsOf(layer)));
        Say($"float {Accuracy(runtime, model, folder):0.00} %, nearest {Accuracy(runtime, nearest, folder):0.00} %");

        var prefix = model.Clone();
        Write(prefix, partition.Layers[0].Name, Nearest(partition.Layers[0], EightBits));
        var (whole, steps) = (Stopwatch.StartNew(), new Stopwatch());
        foreach (var group in Groups(partition, granularity))
        {
            var parameters = Parameters(iterations, seed, lambda);
            LayerToRound[] layers = [.. group.Select(l => new LayerToRound(l.Name, LayerMatrix.Read(l), l.Rows, l.Columns, BitsOf(l), KeepsZeros: false))];
            var path = Path.GetTempFileName();
            await CaptureAsync(runtime, model, prefix, GroupBoundary.Of(model, partition, [.. group.Select(l => l.Name)]), folder, path);
            steps.Start();
            ReconstructionResult result;
            using (var shard = ActivationShard.Open(path))
            {
                result = Reconstructor.Run(
                    runtime, new ReconstructionProblem(model, layers, parameters, (ulong)seed, RateFactor: 1, Batch), new ShardedActivations([shard]), null,
                    _ => { }, _ => { }, CancellationToken.None);
            }

            steps.Stop();
            File.Delete(path);
            foreach (var (layer, rounded) in group.Zip(result.Layers))
                Write(prefix, layer.Name, [.. rounded.Codes.Select((code, i) => rounded.Grids[i / layer.Columns].Value(code))]);
            Say($"{string.Join(' ', group.Select(l => l.Name))}: loss {result.NearestLoss:G4} -> {result.Loss:G4}, flipped {result.Layers.Average(l => l.Flipped):P1}, decided {result.Layers.Average(l => l.Converged):P2} {result.Reason}{result.Explosion}");
        }

        Say($"W{bits}A32 by {granularity}, {iterations} iterations, seed {seed}, lambda {lambda}: {Accuracy(runtime, prefix, folder):0.00} % in {whole.Elapsed.TotalSeconds:0} s, {steps.Elapsed.TotalSeconds:0} s of them tuning");
    }

    private static IEnumerable<List<Layer>> Groups(ModelPartition partition, Granularity granularity)
    {
        var open = new List<Layer>();
        Block? last = null;
        foreach (var block in partition.Blocks)
        {
            List<Layer> layers = [.. block.Layers.Where(l => l != partition.Layers[0])];
            var goesOn = granularity == Granularity.Net || (granularity == Granularity.Stage && last?.Layers[^1].Positions == block.Layers[^1].Positions);
            if (open.Count > 0 && !goesOn)
            {
                yield return open;
                open = [];
            }

            last = block;
            if (granularity == Granularity.Layer)
            {
                foreach (var layer in layers)
                    yield return [layer];
            }
            else
                open.AddRange(layers);
        }

        if (open.Count > 0)
            yield return open;
    }

    private static async Task CaptureAsync(ModelRuntime runtime, OnnxModel model, OnnxModel prefix, GroupBoundary boundary, string folder, string path)
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, "*calibration.npz").Single());
        await using var stream = File.Create(path);
        await ActivationCapture.RunAsync(runtime, model, prefix, boundary, data, s_preprocess, new SampleWindow(0, Samples, Batch), piece => stream.WriteAsync(piece).AsTask());
    }

    private static float[] Nearest(Layer layer, int bits)
    {
        using var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
        var rounding = new SoftRounding(weights, GridFit.Rows(weights, bits, GridKind.Mse, QuantizationScheme.Asymmetric), keepsZeros: false);
        return rounding.Values(rounding.Nearest());
    }

    private static void Write(OnnxModel model, string layer, float[] weights) => LayerMatrix.Write(ModelPartition.Of(model).Find(layer)!, weights);

    private static double Accuracy(ModelRuntime runtime, OnnxModel model, string folder)
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, "*test.npz").Single());
        using var session = runtime.Open(model.Clone());
        var (sum, count) = new Evaluator(session, null, Metric.Of("top1")).Run(data, s_preprocess, 0, (int)data.Arrays[DataFile.Labels].Shape[0], Batch);
        return 100 * sum / count;
    }

    private static ReconstructionParameters Parameters(int iterations, int seed, double lambda) => new()
    {
        Iterations = iterations, Batch = 32, Rate = 1e-3, Seed = seed, Loss = ReconstructionLoss.Mse, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric,
        Lambda = lambda, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
    };

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static void Say(FormattableString text) => Console.WriteLine(FormattableString.Invariant(text));
}
