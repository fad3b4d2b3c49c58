using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.TestKit.Jobs;

/// <summary>Recipes, outlines and data headers that agree with each other, for whatever needs a plan but no numbers.</summary>
public static class SampleJobs
{
    public const string Profile = "test-profile";

    public static Recipe Recipe(params CompressStep[] steps) => new()
    {
        Model = "model.onnx",
        Data = new RecipeData
        {
            Calibration = new CalibrationData("calibration.npz", 600),
            Evaluation = new EvaluationData("test.npz", "top1"),
        },
        Compress = steps.Length > 0 ? steps : [new ExactObsStep(0.5), new ObqStep(4)],
    };

    public static LayerOutline Layer(string name, int rows = 64, int columns = 72, int groups = 1, int kernel = 9, string block = "b0") => new()
    {
        Name = name,
        OpType = "Conv",
        Rows = rows,
        Columns = columns,
        Groups = groups,
        KernelPositions = kernel,
        Macs = (long)rows * columns * 49,
        Positions = 49,
        Block = block,
    };

    public static ModelOutline Outline(params LayerOutline[] layers) => new()
    {
        Digest = Digest('a'),
        Bytes = 4_000,
        Opset = 17,
        Inputs = [new TensorOutline("input", "float32", [-1, 1, 28, 28])],
        Outputs = [new TensorOutline("output", "float32", [-1, 10])],
        Layers = layers,
        Blocks = [.. layers.Select(l => l.Block).Distinct().Select(b => new BlockOutline(b, [.. layers.Where(l => l.Block == b).Select(l => l.Name)]))],
        Unsupported = [],
        Parameters = layers.Sum(l => (long)l.Rows * l.Columns),
        Macs = layers.Sum(l => l.Macs),
    };

    public static DataHeader Data(string file, char digit, int samples, bool labels) => new(
        file,
        new SourceBlob(Digest(digit), 1_000),
        labels
            ? [new TensorOutline("images", "uint8", [samples, 1, 28, 28]), new TensorOutline(DataHeader.Labels, "int64", [samples])]
            : [new TensorOutline("images", "uint8", [samples, 1, 28, 28])]);

    public static PlanRequest Request(Recipe recipe, ModelOutline outline) => new(
        recipe,
        outline,
        new SourceBlob(outline.Digest, outline.Bytes),
        Data("calibration.npz", 'b', 1_024, labels: false),
        recipe.Data.Evaluation is null ? null : Data("test.npz", 'c', 6_000, labels: true),
        Profile);

    /// <summary>Three layers in two blocks; the first layer is large enough for several row ranges.</summary>
    public static JobPlan Plan(params CompressStep[] steps) => Planner.Plan(Request(Recipe(steps), ThreeLayers()));

    public static ModelOutline ThreeLayers() => Outline(
        Layer("/conv1", rows: 96, columns: 1_152),
        Layer("/conv2", rows: 64, columns: 72, block: "b1"),
        Layer("/fc", rows: 10, columns: 64, kernel: 1, block: "b1"));

    public static string Digest(char digit) => new(digit, 64);
}
