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
        "If", "ImageDecoder", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LSTM", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "Loop",
        "LpNormalization", "LpPool", "MatMul", "MatMulInteger", "Max", "MaxPool", "MaxRoiPool", "MaxUnpool", "Mean",
        "MeanVarianceNormalization", "MelWeightMatrix", "Min", "Mish", "Mod", "Mul", "Multinomial", "Neg", "NegativeLogLikelihoodLoss", "NonMaxSuppression", "NonZero", "Not",
        "OneHot", "Optional", "OptionalGetElement", "OptionalHasElement", "Or", "PRelu", "Pow", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RNN", "RandomNormal", "RandomNormalLike",
        "RandomUniform", "RandomUniformLike", "Range", "Reciprocal", "RegexFullMatch", "Relu", "Reshape", "ReverseSequence", "Round", "STFT", "ScatterElements",
        "ScatterND", "Selu", "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "Shape",
        "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "SoftmaxCrossEntropyLoss", "Softplus", "Softsign", "SpaceToDepth", "SplitToSequence", "Sqrt", "StringConcat", "StringNormalizer", "StringSplit", "Sub", "Sum",
        "Tan", "Tanh", "TfIdfVectorizer", "ThresholdedRelu", "Tile", "Transpose", "Trilu", "Unique", "Where", "Xor",
    ];

    /// <summary>The operator's changes in order; empty where it crosses freely, null where it is not in the table.</summary>
    public static IReadOnlyList<OpsetChange>? ChangesOf(string opType) => opType switch
    {
        "AveragePool" => [new OpsetChange(19, OpsetChecks.AveragePoolCeil)],
        "BatchNormalization" => [new OpsetChange(9, OpsetChecks.SpatialNorm, OpsetRewrites.DropSpatial), new OpsetChange(14, OpsetChecks.TrainingOutputs, OpsetRewrites.DropTrainingOutputs)],
        "Clip" => [new OpsetChange(11, OpsetChecks.RealAttributes, OpsetRewrites.ClipBounds, InBody: true)],
        "DFT" => [new OpsetChange(20, null, OpsetRewrites.AxisInput, InBody: true)],
        "Dropout" => [new OpsetChange(10, OpsetChecks.DropoutMask), new OpsetChange(12, null, OpsetRewrites.DropoutRatio, InBody: true)],
        "GridSample" => [new OpsetChange(20, null, OpsetRewrites.GridSampleMode, InBody: true)],
        "GroupNormalization" => [new OpsetChange(21, OpsetChecks.GroupScales, OpsetRewrites.GroupScales)],
        "Pad" => [new OpsetChange(11, OpsetChecks.RealAttributes, OpsetRewrites.PadInputs, InBody: true)],
        "ReduceSum" => [new OpsetChange(13, null, OpsetRewrites.ReduceAxes, InBody: true)],
        "ReduceL1" or "ReduceL2" or "ReduceLogSum" or "ReduceLogSumExp" or "ReduceMax" or "ReduceMean" or "ReduceMin" or "ReduceProd"
            or "ReduceSumSquare" => [new OpsetChange(18, null, OpsetRewrites.ReduceAxes, InBody: true)],
        "Resize" => [new OpsetChange(11, OpsetChecks.OldResize, OpsetRewrites.OldResize), new OpsetChange(13, OpsetChecks.ResizeMode)],
        "RoiAlign" => [new OpsetChange(16, null, OpsetRewrites.RoiAlignMode, InBody: true)],
        "Scan" => [new OpsetChange(9, (_, _) => "it lost its batch axis")],
        "Scatter" => [new OpsetChange(11, null, (_, node) => node.SetOpType("ScatterElements"), InBody: true)],
        "Slice" => [new OpsetChange(10, null, OpsetRewrites.SliceInputs, InBody: true)],
        "Softmax" or "LogSoftmax" or "Hardmax" => [new OpsetChange(13, null, OpsetRewrites.SoftmaxAxis)],
        "Split" => [new OpsetChange(13, null, OpsetRewrites.SplitSizes, InBody: true), new OpsetChange(18, null, OpsetRewrites.SplitCount, InBody: true)],
        "Squeeze" or "Unsqueeze" => [new OpsetChange(13, null, OpsetRewrites.AxesInput, InBody: true)],
        "TopK" => [new OpsetChange(10, null, OpsetRewrites.TopKInput, InBody: true)],
        "Upsample" => [new OpsetChange(10, OpsetChecks.OldResize, OpsetRewrites.OldResize)],
        _ => Unchanged.Contains(opType) ? [] : null,
    };
}
