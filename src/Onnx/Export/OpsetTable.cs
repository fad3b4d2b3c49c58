namespace Orchestrator.Onnx.Export;

/// <summary>
/// Every operator that may cross operator sets 7 to 21, with the changes on the way that are more than new element types, new optional
/// attributes whose default is the old behaviour, or wording (source: the changelog of the ONNX operators). An operator that is missing
/// here is not trusted to cross.
/// </summary>
internal static class OpsetTable
{
    private static readonly HashSet<string> Unchanged =
    [
        "Abs", "Acos", "Acosh", "Add", "AffineGrid", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "Bernoulli", "BitShift",
        "BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "BlackmanWindow", "Cast", "CastLike", "Ceil", "Celu", "CenterCropPad", "Col2Im",
        "Compress", "Concat", "ConcatFromSequence", "Constant", "ConstantOfShape", "Conv", "ConvInteger", "ConvTranspose", "Cos", "Cosh",
        "CumSum", "DeformConv", "DepthToSpace", "DequantizeLinear", "Det", "Div", "DynamicQuantizeLinear", "Einsum", "Elu", "Equal", "Erf",
        "Exp", "Expand", "EyeLike", "Flatten", "Floor", "GRU", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool",
        "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "HammingWindow", "HannWindow", "HardSigmoid", "HardSwish", "Identity",
        "If", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "Loop",
        "LpNormalization", "LpPool", "MatMul", "MatMulInteger", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean",
        "MeanVarianceNormalization", "MelWeightMatrix", "Min", "Mish", "Mod", "Mul", "Multinomial", "Neg", "NonMaxSuppression", "NonZero", "Not",
        "OneHot", "Or", "PRelu", "Pow", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RNN", "RandomNormal", "RandomNormalLike",
        "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "Relu", "Reshape", "ReverseSequence", "Round", "STFT", "ScatterElements",
        "ScatterND", "Selu", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "Shape",
        "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Softplus", "Softsign", "SpaceToDepth", "SplitToSequence", "Sqrt", "Sub", "Sum",
        "Tan", "Tanh", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Unique", "Where", "Xor",
    ];

    /// <summary>The operator's changes in order; empty where it crosses freely, null where it is not in the table.</summary>
    public static IReadOnlyList<OpsetChange>? ChangesOf(string opType) => opType switch
    {
        "AveragePool" => [new OpsetChange(19, OpsetChecks.AveragePoolCeil)],
        "BatchNormalization" => [new OpsetChange(9, OpsetChecks.SpatialNorm, OpsetRewrites.DropSpatial), new OpsetChange(14, OpsetChecks.TrainingOutputs, OpsetRewrites.DropTrainingOutputs)],
        "Clip" => [new OpsetChange(11, OpsetChecks.RealAttributes, OpsetRewrites.ClipBounds)],
        "DFT" => [new OpsetChange(20, (_, _) => "its axis became an input")],
        "Dropout" => [new OpsetChange(10, OpsetChecks.DropoutMask), new OpsetChange(12, null, OpsetRewrites.DropoutRatio)],
        "GridSample" => [new OpsetChange(20, null, OpsetRewrites.GridSampleMode)],
        "GroupNormalization" => [new OpsetChange(21, (_, _) => "its scale and bias became one per channel")],
        "Pad" => [new OpsetChange(11, OpsetChecks.RealAttributes, OpsetRewrites.PadInputs)],
        "ReduceSum" => [new OpsetChange(13, null, OpsetRewrites.ReduceAxes)],
        "ReduceL1" or "ReduceL2" or "ReduceLogSum" or "ReduceLogSumExp" or "ReduceMax" or "ReduceMean" or "ReduceMin" or "ReduceProd"
            or "ReduceSumSquare" => [new OpsetChange(18, null, OpsetRewrites.ReduceAxes)],
        "Resize" => [new OpsetChange(11, OpsetChecks.OldResize, OpsetRewrites.OldResize), new OpsetChange(13, OpsetChecks.ResizeMode)],
        "RoiAlign" => [new OpsetChange(16, null, OpsetRewrites.RoiAlignMode)],
        "Scan" => [new OpsetChange(9, (_, _) => "it lost its batch axis")],
        "Scatter" => [new OpsetChange(11, null, (_, node) => node.SetOpType("ScatterElements"))],
        "Slice" => [new OpsetChange(10, null, OpsetRewrites.SliceInputs)],
        "Softmax" or "LogSoftmax" or "Hardmax" => [new OpsetChange(13, null, OpsetRewrites.SoftmaxAxis)],
        "Split" => [new OpsetChange(13, null, OpsetRewrites.SplitSizes), new OpsetChange(18, null, OpsetRewrites.SplitCount)],
        "Squeeze" or "Unsqueeze" => [new OpsetChange(13, null, OpsetRewrites.AxesInput)],
        "TopK" => [new OpsetChange(10, null, OpsetRewrites.TopKInput)],
        "Upsample" => [new OpsetChange(10, OpsetChecks.OldResize, OpsetRewrites.OldResize)],
        _ => Unchanged.Contains(opType) ? [] : null,
    };
}
