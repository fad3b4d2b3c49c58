using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Onnx;

namespace Orchestrator.Cli.Running;

/// <summary>A recipe resolved against its model and data: all that a job starts from, wherever it runs.</summary>
internal sealed record PreparedJob
{
    public required RecipeFile Recipe { get; init; }
    public required SourceModel Model { get; init; }
    public required SourceFile Calibration { get; init; }
    public required SourceFile? Evaluation { get; init; }
    public required ModelOutline Outline { get; init; }
    public required JobPlan Plan { get; init; }

    /// <summary>What a store has to hold before the first unit runs, in the order to put it there.</summary>
    public IEnumerable<JobInput> Inputs =>
    [
        .. new[] { Calibration, Evaluation }.OfType<SourceFile>().Select(JobInput.Of),
        .. (Model.Tensors ?? []).Select(tensor => new JobInput(Model.Stamp.File, tensor.Blob, tensor.Write)),
        new JobInput(Model.Stamp.File, Model.Blob, (stream, token) => stream.WriteAsync(Model.Content, token).AsTask()),
    ];

    /// <param name="profile">Numeric profile.</param>
    /// <returns>The job, and the model as loaded.</returns>
    /// <exception cref="InputException">Anything that the user has to change.</exception>
    public static (PreparedJob Job, OnnxModel Loaded) Of(RecipeInputs inputs, string profile)
    {
        var content = inputs.Recipe.Recipe;
        var (model, loaded) = SourceModel.Read(content.Model, inputs.Model);
        var outline = ModelOutlines.Of(loaded, model.Stamp.Sha256, model.Stamp.Bytes, content.BatchNorm);
        var (calibration, calibrationHeader) = SourceFile.ReadData(content.Data.Calibration.File, inputs.Calibration);
        var (evaluation, evaluationHeader) = inputs.Evaluation is null
            ? (null, null)
            : SourceFile.ReadData(content.Data.Evaluation!.File, inputs.Evaluation);
        var plan = Planner.Plan(new PlanRequest(content, outline, model.Blob, calibrationHeader, evaluationHeader, profile) { ModelTensors = model.TensorBlobs });
        var job = new PreparedJob { Recipe = inputs.Recipe, Model = model, Calibration = calibration, Evaluation = evaluation, Outline = outline, Plan = plan };
        return (job, loaded);
    }
}

/// <summary>A blob that a job starts from.</summary>
/// <param name="File">The file that it comes from, as the recipe writes it.</param>
/// <param name="Write">Writes the content; may be called again.</param>
internal sealed record JobInput(string File, SourceBlob Blob, Func<Stream, CancellationToken, Task> Write)
{
    private const int CopyBuffer = 1 << 20;

    public static JobInput Of(SourceFile file) => new(file.Stamp.File, file.Blob, async (stream, token) =>
    {
        await using var source = file.Open();
        await source.CopyToAsync(stream, CopyBuffer, token);
    });

    /// <summary>Runs something that reads the source.</summary>
    /// <exception cref="InputException">The source changed since it was read first.</exception>
    public static async Task<T> ReadingAsync<T>(Func<Task<T>> read)
    {
        try
        {
            return await read();
        }
        catch (OnnxException gone)
        {
            throw new InputException("model-invalid", gone.Subject, gone.Message, "Leave the model and its weights as they are while the job starts.", gone);
        }
    }
}
