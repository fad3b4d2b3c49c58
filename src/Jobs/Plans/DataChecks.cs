using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Plans;

/// <summary>Whether a data file can feed the model, judged by names, types and shapes alone.</summary>
internal static class DataChecks
{
    private static readonly string[] s_labelled = ["top1", "top5", "nll"];

    /// <summary>The batch that the model's inputs insist on; null where they leave the first dimension open.</summary>
    public static int? FixedBatch(ModelOutline outline)
    {
        var batches = outline.Inputs.Where(i => i.Shape.Count > 0 && i.Shape[0] > 0).Select(i => i.Shape[0]).Distinct().ToArray();
        if (batches.Length > 1)
        {
            throw new InputException(
                "batch-unclear", outline.Inputs[0].Name, $"The model's inputs have different first dimensions ({string.Join(", ", batches)}), so there is no common batch.",
                "Export the model with an open batch dimension.");
        }

        if (batches is [> int.MaxValue])
        {
            throw new InputException(
                "batch-unclear", outline.Inputs[0].Name, $"The model only takes batches of {batches[0]} samples, more than any file holds.",
                "Export the model with an open batch dimension.");
        }

        return batches.Length == 0 ? null : (int)batches[0];
    }

    /// <returns>The number of samples to use.</returns>
    public static int Calibration(Recipe recipe, ModelOutline outline, DataHeader data, int? fixedBatch)
    {
        Shapes(outline, data);
        var samples = recipe.Data.Calibration.Samples ?? data.Samples;
        if (samples > data.Samples)
        {
            throw new InputException(
                "too-few-samples", data.File, $"The recipe asks for {samples} calibration samples, but the file has {data.Samples}.",
                "Lower data.calibration.samples or leave it out to use all.");
        }

        WholeBatches(data, samples, fixedBatch);
        return samples;
    }

    public static void Evaluation(Recipe recipe, ModelOutline outline, DataHeader data, int? fixedBatch)
    {
        Shapes(outline, data);
        WholeBatches(data, data.Samples, fixedBatch);
        var metric = recipe.Data.Evaluation!.Metric;
        if (s_labelled.Contains(metric) && !data.HasLabels)
        {
            throw new InputException(
                "labels-missing", data.File, $"The metric '{metric}' needs labels, but the file has no array '{DataHeader.Labels}'.",
                "Add an int64 array 'labels' to the file, or use the metric cosine or mse.");
        }
    }

    private static void Shapes(ModelOutline outline, DataHeader data)
    {
        if (data.Samples < 1)
            throw new InputException("data-empty", data.File, "The file has no samples.", "Give at least one sample.");
        var arrays = data.Arrays.Where(a => a.Name != DataHeader.Labels).ToArray();
        if (data.Arrays.Select(a => a.Shape.Count == 0 ? 0 : a.Shape[0]).Distinct().Count() > 1)
        {
            throw new InputException(
                "data-shape", data.File, $"The arrays have different numbers of samples ({string.Join(", ", data.Arrays.Select(Describe))}).",
                "Give every array the same first dimension.");
        }

        foreach (var input in outline.Inputs)
        {
            // A lone array feeds a lone input whatever it is called (design.md section 8).
            var array = arrays.FirstOrDefault(a => a.Name == input.Name) ?? (arrays.Length == 1 && outline.Inputs.Count == 1 ? arrays[0] : null);
            if (array is null)
            {
                throw new InputException(
                    "data-input-missing", data.File, $"No array feeds the model's input '{input.Name}'; the file has {string.Join(", ", data.Arrays.Select(Describe))}.",
                    $"Name an array '{input.Name}' or, for a model with one input, give one array besides '{DataHeader.Labels}'.");
            }

            if (!Fits(array.Shape, input.Shape))
            {
                throw new InputException(
                    "data-shape", data.File, $"The array {Describe(array)} does not fit the model's input {Describe(input)}.",
                    "Give one sample per entry of the first dimension; the other dimensions must equal the input's.");
            }
        }
    }

    private static bool Fits(IReadOnlyList<long> array, IReadOnlyList<long> input)
    {
        // An input without a shape says nothing, and the runtime will check it.
        if (input.Count == 0)
            return true;
        return array.Count == input.Count && array.Zip(input).Skip(1).All(d => d.Second < 0 || d.First == d.Second);
    }

    private static void WholeBatches(DataHeader data, int samples, int? fixedBatch)
    {
        if (fixedBatch is not { } batch || samples % batch == 0)
            return;
        throw new InputException(
            "batch-remainder", data.File, $"The model only takes batches of {batch}, and {samples} samples are not a multiple of it.",
            "Use a multiple, or export the model with an open batch dimension.");
    }

    private static string Describe(TensorOutline tensor) => $"'{tensor.Name}' [{string.Join(", ", tensor.Shape.Select(d => d < 0 ? "?" : d.ToString()))}]";
}
