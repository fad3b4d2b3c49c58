using System.Diagnostics;
using System.Globalization;
using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>
/// A whole network, group after group on the quantized prefix, on one thread: <c>reconstruct FOLDER BITS[aBITS] layer|block|stage|net|nearest|obq [ITERATIONS] [SEED] [LAMBDA]
/// [two-phase|joint|qdrop] [ACTIVATION_ITERATIONS] [ACTIVATION_RATE] [mse|fisher|fisherOriginal]</c>, where FOLDER is a sample's; <c>2a4</c> has weights of 2 and activations of 4 bits. The first
/// layer has its nearest codes of 8 bits, the last one has 8 bits, and so have the activations behind the first and before the last one, as in the original.
/// </summary>
internal sealed class ReconstructedNetwork(ModelRuntime runtime, string folder, OnnxModel model, ReconstructedNetwork.Setting setting)
{
    private const int Samples = 1_024;
    private const int Batch = 128;
    private const int EightBits = 8;
    private const double Drop = 0.5;

    /// <summary>Of OBQ, as recipes have it by default.</summary>
    private const double Damping = 1e-4;

    private static readonly Preprocess s_preprocess = new() { Scale = 1 / 255d, Mean = [0.2860], Std = [0.3530] };

    private readonly ModelPartition _partition = ModelPartition.Of(model);
    private readonly OnnxModel _weighted = model.Clone();
    private readonly Dictionary<string, ActivationGrid> _grids = [];
    private readonly Stopwatch _whole = Stopwatch.StartNew();
    private readonly Stopwatch _steps = new();

    public static async Task RunAsync(string[] args)
    {
        T Optional<T>(int place, T otherwise) where T : IParsable<T> => args.Length > place ? T.Parse(args[place], CultureInfo.InvariantCulture) : otherwise;
        int[] bits = [.. args[1].Split('a').Select(part => int.Parse(part, CultureInfo.InvariantCulture))];
        var way = Optional(6, "two-phase");
        var setting = new Setting(
            bits[0], bits.Length > 1 ? bits[1] : null, Enum.TryParse<Granularity>(args[2], ignoreCase: true, out var granularity) ? granularity : null, args[2], Optional(3, 1_000), Optional(4, 0), Optional(5, 0.01),
            way, Optional(7, 250), Optional(8, way == "two-phase" ? 4e-4 : 4e-5), Enum.Parse<ReconstructionLoss>(Optional(9, "mse"), ignoreCase: true));
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var model = ModelPreparation.Prepare(OnnxModel.Load(Directory.GetFiles(args[0], "*.onnx").Single()), BatchNormMode.Fold);
        await new ReconstructedNetwork(new ModelRuntime(environment), args[0], model, setting).RunAsync();
    }

    private async Task RunAsync()
    {
        var nearest = model.Clone();
        foreach (var layer in _partition.Layers)
            Write(nearest, layer.Name, Nearest(layer, BitsOf(layer)));
        Say($"float {Accuracy(model):0.00} %, nearest {Accuracy(nearest):0.00} %");
        if (setting.Granularity is not { } granularity)
        {
            Untuned(nearest);
            return;
        }

        Write(_weighted, _partition.Layers[0].Name, Nearest(_partition.Layers[0], EightBits));
        var isJoint = setting.ActivationBits is not null && setting.Way != "two-phase";
        if (isJoint)
            FitGrids(model);
        await PhaseAsync(isJoint ? ReconstructionPhase.Joint : ReconstructionPhase.Weights, granularity);
        if (setting.ActivationBits is null || isJoint)
            return;
        FitGrids(_weighted);
        Say($"step sizes as found: {Accuracy(Quantized(_weighted)):0.00} %");
        await PhaseAsync(ReconstructionPhase.Activations, granularity);
    }

    /// <summary>Nearest codes, or those of OBQ, and step sizes as found.</summary>
    private void Untuned(OnnxModel nearest)
    {
        var weighted = setting.Method == "obq" ? Obq() : nearest;
        Say($"{setting.Method}, weights alone: {Accuracy(weighted):0.00} %");
        Say(Losses(weighted));
        if (setting.ActivationBits is null)
            return;
        FitGrids(weighted);
        Say($"{setting.Method}: {setting}: {Accuracy(Quantized(weighted)):0.00} % after {_whole.Elapsed.TotalSeconds:0} s");
        Say(Losses(Quantized(weighted)));
    }

    private OnnxModel Obq()
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, "*calibration.npz").Single());
        var solved = model.Clone();
        foreach (var layer in _partition.Layers)
        {
            var gram = Calibrator.Run(runtime, GramGraph.Build(model, _partition, [layer.Name]), data, s_preprocess, 0, Samples, Batch, null, CancellationToken.None)[0];
            var shape = new LayerShape(layer.Rows, layer.Columns, layer.Groups, layer.KernelPositions);
            using var hessian = LayerHessian.FromValues(gram.ToHessian(Samples), shape.Groups, shape.Columns);
            using var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
            var step = new CompressStepSpec { Method = "obq", Damping = Damping, Bits = BitsOf(layer), Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric };
            using var result = LayerSolver.Run(new SolverInput(weights, hessian, shape) { Damping = Damping }, step, CancellationToken.None);
            var codes = result.Quantized!;
            Write(solved, layer.Name, QuantizedWeights.Dequantize(codes.Codes, codes.Scales, codes.Zeros));
        }

        return solved;
    }

    private async Task PhaseAsync(ReconstructionPhase phase, Granularity granularity)
    {
        var (phaseBegan, phaseUsed) = (Stopwatch.GetTimestamp(), Environment.CpuUsage.TotalTime);
        foreach (var group in Groups(_partition, granularity))
        {
            var isTuned = phase == ReconstructionPhase.Activations;
            LayerToRound[] layers = [.. group.Select(l => new LayerToRound(l.Name, isTuned ? Weights(l) : LayerMatrix.Read(l), l.Rows, l.Columns, BitsOf(l), KeepsZeros: false))];
            var boundary = GroupBoundary.Of(model, _partition, [.. group.Select(l => l.Name)]).For(setting.Loss);
            var prefix = Quantized(_weighted);
            foreach (var layer in group.Where(_ => boundary.Gradient is not null && !isTuned))
                Write(prefix, layer.Name, Nearest(layer, BitsOf(layer)));
            var (path, isMixed) = (Path.GetTempFileName(), phase == ReconstructionPhase.Joint && setting.Way == "qdrop");
            await CaptureAsync(prefix, isMixed ? boundary.Mixed() : boundary, path);
            var problem = new ReconstructionProblem(model, layers, Parameters(phase), (ulong)setting.Seed, RateFactor: 1, Batch)
            {
                Phase = phase,
                HasFloatInputs = isMixed,
                Activations = _grids.Count == 0 ? [] : [.. ActivationPlaces.Within(model, _partition, boundary, Activations).Select(place => _grids[place.Value])],
            };
            _steps.Start();
            var began = Environment.CpuUsage.TotalTime;
            ReconstructionResult result;
            using (var shard = ActivationShard.Open(path))
                result = Reconstructor.Run(runtime, problem, new ShardedActivations([shard]), null, _ => { }, _ => { }, CancellationToken.None);
            var step = (Environment.CpuUsage.TotalTime - began).TotalMilliseconds / problem.Parameters.Iterations;
            _steps.Stop();
            File.Delete(path);
            foreach (var (layer, rounded) in group.Zip(result.Layers))
                Write(_weighted, layer.Name, [.. rounded.Codes.Select((code, i) => rounded.Grids[i / layer.Columns].Value(code))]);
            foreach (var grid in result.Activations)
                _grids[grid.Value] = grid;
            var decided = result.Layers.Count == 0 ? "" : FormattableString.Invariant($", flipped {result.Layers.Average(l => l.Flipped):P1}, decided {result.Layers.Average(l => l.Converged):P2}");
            var scales = string.Join(' ', problem.Activations.Zip(result.Activations, (before, after) => FormattableString.Invariant($" {before.Scale:G3}->{after.Scale:G3}")));
            Say($"{string.Join(' ', group.Select(l => l.Name))}: loss {result.NearestLoss:G4} -> {result.Loss:G4}{decided}{scales}, {step:0.0} ms of processor time a step with the losses on all samples {result.Reason}{result.Explosion}");
        }

        // Without the measuring of the float and the nearest network: what a reconstruction takes.
        var (took, used) = (Stopwatch.GetElapsedTime(phaseBegan), Environment.CpuUsage.TotalTime - phaseUsed);
        Say($"{phase}: {setting}: {Accuracy(Quantized(_weighted)):0.00} %, {took.TotalSeconds:0.0} s ({used.TotalSeconds:0.0} s of processor time) for captures and tuning, {_steps.Elapsed.TotalSeconds:0} s of them tuning");
        Say(Losses(Quantized(_weighted)));
    }

    private ActivationSpec Activations => new(
        setting.ActivationBits ?? throw new InvalidOperationException(), [new LayerRef(_partition.Layers[0].Name, 0), new LayerRef(_partition.Layers[^1].Name, _partition.Layers.Count - 1)]);

    private void FitGrids(OnnxModel weighted)
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, "*calibration.npz").Single());
        var places = ActivationPlaces.Of(model, _partition, Activations);
        foreach (var grid in InitialGrids.Fit(runtime, weighted, places, data, s_preprocess, new SampleWindow(0, InitialGrids.Samples, InitialGrids.Samples)))
            _grids[grid.Value] = grid;
    }

    private OnnxModel Quantized(OnnxModel weighted)
    {
        var quantized = weighted.Clone();
        FakeQuantization.Insert(quantized, _grids.Values);
        return quantized;
    }

    private float[] Weights(Layer layer) => LayerMatrix.Read(ModelPartition.Of(_weighted).Find(layer.Name)!);

    private int BitsOf(Layer layer) => layer == _partition.Layers[0] || layer == _partition.Layers[^1] ? EightBits : setting.Bits;

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

    private async Task CaptureAsync(OnnxModel prefix, GroupBoundary boundary, string path)
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, "*calibration.npz").Single());
        await using var stream = File.Create(path);
        await ActivationCapture.RunAsync(runtime, model, prefix, boundary, data, s_preprocess, new SampleWindow(0, Samples, Batch), piece => stream.WriteAsync(piece).AsTask());
    }

    private static float[] Nearest(Layer layer, int bits) => NearestCodes.Of(layer, bits, GridKind.Mse, QuantizationScheme.Asymmetric, keepsZeros: false);

    private static void Write(OnnxModel into, string layer, float[] weights) => LayerMatrix.Write(ModelPartition.Of(into).Find(layer)!, weights);

    private double Accuracy(OnnxModel of) => 100 * Mean("top1", "test", of);

    /// <summary>The task's loss, and how far the network's outputs are from the float ones, where it was tuned and elsewhere.</summary>
    private FormattableString Losses(OnnxModel of) =>
        $"cross-entropy {Mean("nll", "calibration", of):0.0000} on calibration {Mean("nll", "test", of):0.0000} on test, squared error of logits {Mean("mse", "calibration", of):0.0000} and {Mean("mse", "test", of):0.0000}";

    private double Mean(string metric, string file, OnnxModel of)
    {
        using var data = DataFile.Open(Directory.GetFiles(folder, $"*{file}.npz").Single());
        using var session = runtime.Open(of.Clone());
        using var reference = runtime.Open(model.Clone());
        var (sum, count) = new Evaluator(session, reference, Metric.Of(metric)).Run(data, s_preprocess, 0, (int)data.Arrays[DataFile.Labels].Shape[0], Batch);
        return sum / count;
    }

    private ReconstructionParameters Parameters(ReconstructionPhase phase) => phase == ReconstructionPhase.Activations
        ? new ReconstructionParameters { Iterations = setting.ActivationIterations, Batch = 32, Rate = setting.ActivationRate, Seed = setting.Seed, Loss = setting.Loss }
        : new ReconstructionParameters
        {
            Iterations = setting.Iterations, Batch = 32, Rate = 1e-3, Seed = setting.Seed, Loss = setting.Loss, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric,
            Lambda = setting.Lambda, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
            ActivationRate = phase == ReconstructionPhase.Joint ? setting.ActivationRate : null, Drop = setting.Way == "qdrop" ? Drop : null,
        };

    private static void Say(FormattableString text) => Console.WriteLine(FormattableString.Invariant(text));

    /// <param name="Granularity">Null where nothing is tuned.</param>
    /// <param name="Way">two-phase, joint or qdrop.</param>
    internal sealed record Setting(
        int Bits, int? ActivationBits, Granularity? Granularity, string Method, int Iterations, int Seed, double Lambda, string Way, int ActivationIterations, double ActivationRate, ReconstructionLoss Loss);
}
