using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;

namespace Orchestrator.Compression.Models;

/// <summary>The float model as every unit of a job sees it: a pure function of the file and the recipe's batch-norm mode.</summary>
public static class ModelPreparation
{
    /// <summary>Reads a model and refuses what no unit could work on.</summary>
    /// <exception cref="InputException">Not an ONNX model, outside the supported operator sets, malformed, or with weights that are not finite.</exception>
    public static OnnxModel Load(ReadOnlySpan<byte> bytes, string subject)
    {
        try
        {
            return Checked(OnnxModel.Load(bytes), subject);
        }
        catch (OnnxException exception)
        {
            throw Refused(exception, subject);
        }
    }

    /// <summary>As the other overload, with weights outside the bytes, which are not looked at.</summary>
    /// <param name="find">Finds what a tensor's external data names.</param>
    public static OnnxModel Load(ReadOnlySpan<byte> bytes, string subject, Func<string, ExternalFile> find)
    {
        try
        {
            return Checked(OnnxModel.Load(bytes, find), subject);
        }
        catch (OnnxException exception)
        {
            throw Refused(exception, subject);
        }
    }

    /// <summary>Reads a model file; large weights in files beside it are not looked at.</summary>
    /// <inheritdoc cref="Load(ReadOnlySpan{byte}, string)"/>
    public static OnnxModel LoadFile(string path)
    {
        try
        {
            return Checked(OnnxModel.Load(path), Path.GetFileName(path));
        }
        catch (OnnxException exception)
        {
            throw Refused(exception, Path.GetFileName(path));
        }
    }

    /// <summary>Removes identities and duplicate constants, folds batch norms where the recipe says so. Changes <paramref name="model"/>.</summary>
    public static OnnxModel Prepare(OnnxModel model, BatchNormMode batchNorm)
    {
        PassRunner.Run(model, PassRunner.Preparation(batchNorm == BatchNormMode.Fold));
        return model;
    }

    private static OnnxModel Checked(OnnxModel model, string subject)
    {
        CheckFinite(model, subject, tensor => tensor.Mapped is not null || tensor.IsFinite());
        return model;
    }

    /// <summary>Refuses weights that are not finite.</summary>
    /// <param name="isFinite">Whether a weight is.</param>
    /// <exception cref="InputException">One is not.</exception>
    public static void CheckFinite(OnnxModel model, string subject, Func<Tensor, bool> isFinite)
    {
        if (ModelPartition.Of(model).FindNonFinite(isFinite) is var (layer, tensor))
        {
            throw new InputException(
                "weights-not-finite",
                tensor.Name,
                $"A weight of layer '{layer.Name}' in '{subject}' is NaN or infinite.",
                "Export the model again from a checkpoint whose weights are finite.");
        }
    }

    private static InputException Refused(OnnxException exception, string subject) => new(
        "model-invalid",
        exception.Subject,
        $"'{subject}' cannot be used: {exception.Message}",
        exception.Remedy ?? $"Export the model again; opsets {OnnxModel.MinOpset} to {OnnxModel.MaxOpset} are read.",
        exception);
}
