namespace Orchestrator.Zoo.Tests.Nodes;

/// <summary>Models of libonnx-testdata 1.12 that cannot be checked, each with its reason.</summary>
internal static class Exclusions
{
    private const string Random = "its output is random";
    private const string NoKernel = "ONNX Runtime has no CPU kernel for this element type";
    private const string Batchwise = "ONNX Runtime has no batchwise recurrent layers";
    private const string OtherRank = "its file gives an input another rank than its model";
    private const string AlignCorners = "ONNX Runtime aligns corners to the rounded output size, ONNX to the exact one";

    private static readonly Dictionary<string, string> s_notRun = new(StringComparer.Ordinal)
    {
        ["bernoulli"] = Random,
        ["bernoulli_double"] = Random,
        ["bernoulli_double_expanded"] = Random,
        ["bernoulli_expanded"] = Random,
        ["bernoulli_seed"] = Random,
        ["bernoulli_seed_expanded"] = Random,
        ["training_dropout"] = Random,
        ["training_dropout_default"] = Random,
        ["training_dropout_default_mask"] = Random,
        ["training_dropout_mask"] = Random,
        ["bitshift_left_uint16"] = NoKernel,
        ["bitshift_right_uint16"] = NoKernel,
        ["max_int16"] = NoKernel,
        ["max_uint16"] = NoKernel,
        ["min_int16"] = NoKernel,
        ["min_uint16"] = NoKernel,
        ["pow_types_float32_uint32"] = NoKernel,
        ["pow_types_float32_uint64"] = NoKernel,
        ["gru_batchwise"] = Batchwise,
        ["lstm_batchwise"] = Batchwise,
        ["simple_rnn_batchwise"] = Batchwise,
        ["cast_FLOAT_to_BFLOAT16"] = "its expected output is cut off to bfloat16, not rounded to nearest",
        ["castlike_BFLOAT16_to_FLOAT"] = OtherRank,
        ["castlike_BFLOAT16_to_FLOAT_expanded"] = OtherRank,
        ["castlike_FLOAT_to_BFLOAT16"] = OtherRank,
        ["castlike_FLOAT_to_BFLOAT16_expanded"] = OtherRank,
        ["maxunpool_export_with_output_shape"] = "its expected output is not that of the specification, which a later release corrected",
        ["resize_downsample_scales_cubic_align_corners"] = AlignCorners,
        ["resize_downsample_scales_linear_align_corners"] = AlignCorners,
    };

    /// <summary>They import the training operators alone; ONNX's own operator set is what we go by.</summary>
    private static readonly string[] s_refused =
        ["adagrad", "adagrad_multiple", "adam", "adam_multiple", "momentum", "momentum_multiple", "nesterov_momentum"];

    /// <summary>Why the runtime's outputs of the untouched model are not those that ONNX ships; null where they are.</summary>
    public static string? Reason(string name) => s_notRun.GetValueOrDefault(name);

    /// <summary>Null where it is known that we refuse the model.</summary>
    public static string? Refused(NodeModel model, string refusal) => s_refused.Contains(model.Name) ? null : refusal;
}
