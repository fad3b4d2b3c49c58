using System.Security.Cryptography;
using System.Text;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What a seed simulates: jobs, workers and how much goes wrong.</summary>
internal sealed record SimulatedShape
{
    public required ulong Seed { get; init; }
    public required IReadOnlyList<SimulatedJob> Jobs { get; init; }
    public required int Workers { get; init; }
    public required int Slots { get; init; }

    /// <summary>Chance that an attempt fails.</summary>
    public required double Failures { get; init; }

    /// <summary>Chance that a blob is stored damaged.</summary>
    public required double Damage { get; init; }

    /// <summary>Chance that something befalls a process, each time it may.</summary>
    public required double Blows { get; init; }

    /// <summary>Chance that a process has a wrong clock.</summary>
    public required double WrongClocks { get; init; }

    /// <summary>How long things go wrong.</summary>
    public required TimeSpan Troubled { get; init; }

    /// <summary>Servers of which one is active at a time; none where a coordinator runs without them.</summary>
    public required int Servers { get; init; }

    /// <param name="faults">Chance of a fault for each operation; everything else is scaled by it.</param>
    public static SimulatedShape Draw(ulong seed, double faults)
    {
        var dice = new Dice(seed, "shape");
        var first = SimulatedJob.Draw(dice, variant: 0);
        // Dice of their own, so that the other seeds are what they were.
        var tuning = new Dice(seed, "reconstruction");
        if (tuning.Next(3) == 0)
            first = first.Reconstructed(tuning);
        // Jobs that share layers, or all but their last step, meet in the store.
        SimulatedJob[] jobs = dice.Next(4) == 0 ? [first, first.Relative(dice)] : [first];
        var damaged = dice.Next(4) == 0;
        var servers = new Dice(seed, "servers").OneOf(0, 0, 0, 2, 2, 3);
        return new SimulatedShape
        {
            Seed = seed,
            // Behind servers they belong to two tenants, so that it can be told whose commits are made.
            Jobs = [.. jobs.DistinctBy(j => j.Id).Select((job, index) => servers > 0 && index > 0 ? job with { Owner = SimulatedJob.OtherTenant } : job)],
            Servers = servers,
            Workers = dice.OneOf(1, 1, 2, 2, 3, 4, 8),
            Slots = dice.OneOf(1, 1, 2, 4),
            Failures = Math.Min(faults, 0.3),
            Damage = damaged ? Math.Min(faults / 2, 0.1) : 0,
            Blows = Math.Min(faults * 3, 0.5),
            WrongClocks = Math.Min(faults * 5, 0.5),
            Troubled = dice.Between(30, 300),
        };
    }
}

/// <summary>A job of a simulation: a real plan over made-up layers.</summary>
internal sealed record SimulatedJob(Recipe Recipe, ModelOutline Outline, JobPlan Plan, bool IsFine)
{
    public const string Tenant = "local";
    public const string OtherTenant = "other";
    public const string Profile = "simulated";

    private static readonly SimulatedSource s_model = SimulatedSource.Of("model");
    private static readonly SimulatedSource s_calibration = SimulatedSource.Of("calibration");
    private static readonly SimulatedSource s_evaluation = SimulatedSource.Of("evaluation");

    public string Id { get; } = Plan.ComputeJobId();

    /// <summary>Its tenant.</summary>
    public string Owner { get; init; } = Tenant;

    public JobSubmission Submission => new(
        "simulated", Plan, Outline,
        new JobSources(s_model.Stamp("recipe.yaml"), s_model.Stamp("model.onnx"), s_calibration.Stamp("calibration.npz"), Recipe.Data.Evaluation is null ? null : s_evaluation.Stamp("test.npz")),
        Fresh: false);

    /// <summary>Model and data, as they are imported.</summary>
    public IReadOnlyList<SimulatedSource> Sources { get; } = [s_model, s_calibration, s_evaluation];

    public static SimulatedJob Draw(Dice dice, int variant)
    {
        var layers = Enumerable.Range(0, 1 + dice.Next(4)).Select(i => Layer(dice, i)).ToArray();
        var outline = new ModelOutline
        {
            Digest = s_model.Sha256,
            Bytes = s_model.Content.Length,
            Opset = 17,
            Inputs = [new TensorOutline("input", "float32", [-1, 1, 28, 28])],
            Outputs = [new TensorOutline("output", "float32", [-1, 10])],
            Layers = layers,
            Blocks = [.. layers.GroupBy(l => l.Block).Select(b => new BlockOutline(b.Key, [.. b.Select(l => l.Name)]))],
            Unsupported = [],
            Parameters = layers.Sum(l => (long)l.Rows * l.Columns),
            Macs = layers.Sum(l => l.Macs),
        };
        var recipe = new Recipe
        {
            Model = "model.onnx",
            Data = new RecipeData
            {
                Calibration = new CalibrationData("calibration.npz", dice.OneOf(64, 300, 600)),
                Evaluation = dice.Next(3) == 0 ? null : new EvaluationData("test.npz", "top1"),
            },
            Compress = Steps(dice),
            Seed = variant,
        };
        return Of(recipe, outline, isFine: dice.Next(10) == 0);
    }

    /// <summary>Another job of the tenant that has part of the work in common.</summary>
    public SimulatedJob Relative(Dice dice) => dice.Next(2) == 0
        ? Of(Recipe with { Compress = Steps(dice) }, Outline, IsFine)
        : Of(Recipe with { Seed = Recipe.Seed + 1 }, Outline, IsFine);

    /// <summary>The same with layers that are reconstructed, pruned before or not.</summary>
    public SimulatedJob Reconstructed(Dice dice)
    {
        var step = new ReconstructStep("brecq", 4)
        {
            Granularity = dice.OneOf(Granularity.Layer, Granularity.Block, Granularity.Block, Granularity.Net),
            Iterations = 1_000,
            Inputs = dice.OneOf(ReconstructionInputs.Quantized, ReconstructionInputs.Quantized, ReconstructionInputs.Unquantized),
            ActivationBits = dice.OneOf(ReconstructStep.FloatBits, 4),
            Activations = dice.OneOf(ActivationTuning.TwoPhase, ActivationTuning.Joint),
        };
        CompressStep[] before = dice.OneOf(false, true) ? [new ExactObsStep(0.5)] : [];
        return Of(Recipe with { Compress = [.. before, step], FirstLastBits = dice.OneOf(FirstLastBits.Same, FirstLastBits.Eight) }, Outline, IsFine);
    }

    /// <param name="isFine">Cut into a unit a row, so that stages have enough units for their logs to be compacted.</param>
    private static SimulatedJob Of(Recipe recipe, ModelOutline outline, bool isFine)
    {
        var evaluation = recipe.Data.Evaluation is null ? null : Data("test.npz", s_evaluation, 5_000, labels: true);
        var request = new PlanRequest(recipe, outline, s_model.Blob, Data("calibration.npz", s_calibration, 1_024, labels: false), evaluation, Profile);
        var plan = Planner.Plan(request);
        if (isFine)
            plan = plan with { Layers = [.. plan.Layers.Select(l => l with { Steps = [.. l.Steps.Select(s => s with { RangeRows = 1 })] })] };
        return new SimulatedJob(recipe, outline, plan, isFine);
    }

    private static IReadOnlyList<CompressStep> Steps(Dice dice) => dice.Next(6) switch
    {
        0 => [new RtnStep(4)],
        1 => [new ObqStep(4)],
        2 => [new ExactObsStep(0.5), new ObqStep(4)],
        3 => [new NmStep(2, 4)],
        4 => [new BlockStep(4, 0.5)],
        _ => [new ExactObsStep(0.7)],
    };

    private static LayerOutline Layer(Dice dice, int index)
    {
        var columns = dice.OneOf(72, 288, 1_152);
        var rows = dice.OneOf(8, 64, 128);
        return new LayerOutline
        {
            Name = $"/layer{index}",
            OpType = "Conv",
            Rows = rows,
            Columns = columns,
            Groups = 1,
            KernelPositions = 9,
            Macs = (long)rows * columns * 49,
            Positions = 49,
            Block = $"block{index / 2}",
            LeavesFloat = index % 2 == 1,
        };
    }

    private static DataHeader Data(string file, SimulatedSource source, int samples, bool labels) => new(
        file,
        source.Blob,
        labels
            ? [new TensorOutline("images", "uint8", [samples, 1, 28, 28]), new TensorOutline(DataHeader.Labels, "int64", [samples])]
            : [new TensorOutline("images", "uint8", [samples, 1, 28, 28])]);
}

/// <summary>A file that a job starts from.</summary>
internal sealed record SimulatedSource(string Sha256, byte[] Content)
{
    public SourceBlob Blob => new(Sha256, Content.Length);

    public SourceStamp Stamp(string file) => new(file, Sha256, Content.Length);

    public static SimulatedSource Of(string text)
    {
        var content = Encoding.UTF8.GetBytes(text);
        return new SimulatedSource(Convert.ToHexStringLower(SHA256.HashData(content)), content);
    }
}
