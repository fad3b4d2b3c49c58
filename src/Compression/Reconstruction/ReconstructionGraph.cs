using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// The training step of a group: soft weights s·(clip(⌊W/s⌋ + h(V) + z, 0, n) − z) where weights are being rounded, quantized activations where their
/// step sizes are learned, the loss and the penalty (algorithms.md 2.1 and 3.7), gradients and Adam's update in one graph of a fixed batch.
/// </summary>
/// <param name="Inputs">Minibatches of what enters, then the target.</param>
/// <param name="Rounded">Names of V, by layer, [rows × columns] each.</param>
/// <param name="Scales">Names of step sizes, by activation, scalars.</param>
/// <param name="Masks">Which elements of an activation are quantized, by activation; none where all are.</param>
/// <param name="Loss">Output: |error|ᵖ, summed over channels, mean over samples and positions.</param>
/// <param name="Penalty">Output: Σ(1 − |2h − 1|^β) over the group's tuned roundings; null where no weights are rounded.</param>
internal sealed record ReconstructionGraph(
    TrainingStep Step, IReadOnlyList<GroupInput> Inputs, IReadOnlyList<string> Rounded, IReadOnlyList<string> Scales, IReadOnlyList<GroupInput> Masks, string Loss, string? Penalty)
{
    public const string Rate = "rate";

    /// <summary>The rate of step sizes.</summary>
    public const string ScaleRate = "scale_rate";

    public const string Beta = "beta";
    public const string PenaltyWeight = "penalty_weight";

    /// <summary>What step sizes are kept above (algorithms.md 3.7).</summary>
    public const float SmallestScale = 1e-8f;

    /// <summary>As AdaRound has it (algorithms.md 2.2).</summary>
    public static AdamSettings Adam { get; } = new();

    /// <param name="model">Prepared, in float but for what is quantized already; not changed.</param>
    /// <param name="layers">By name: what their weights are rounded from. None where they are quantized already.</param>
    /// <param name="activations">What is quantized in the group; the scales are trained and their values are not looked at.</param>
    /// <exception cref="OnnxException">The group holds what has no gradient, shapes are not known, or the operator set is too old and cannot be raised.</exception>
    public static ReconstructionGraph Build(
        OnnxModel model, GroupBoundary boundary, IReadOnlyList<(string Layer, SoftRounding Rounding)> layers, IReadOnlyList<ActivationGrid> activations, StepShape shape)
    {
        var copy = model.Clone();
        OpsetUpgrade.Raise(copy, OpsetUpgrade.MinTarget);
        var partition = ModelPartition.Of(copy);
        var builder = GraphBuilder.Edit(copy);
        var rounded = new List<Trainable>();
        var penalty = layers.Count == 0 ? null : Soften(copy, partition, layers, rounded);
        var (scales, masks) = (new List<Trainable>(), new List<GroupInput>());
        foreach (var (value, bits, _, zero) in activations)
        {
            var scale = builder.Input(copy.Graph.UniqueName($"{value}/scale"), ElementType.Float32);
            scales.Add(new Trainable(scale, [], ScaleRate, SmallestScale));
            if (shape.HasMasks)
                masks.Add(Mask(copy, partition, value, shape.Batch));
            FakeQuantization.Insert(copy, value, scale, zero, bits, shape.HasMasks ? masks[^1].Name : null);
        }

        var group = GroupGraph.Cut(copy, partition, boundary, shape.Batch, shape.Power, penalty is null ? [] : [penalty]);
        var (step, loss) = Finish(group, [.. rounded, .. scales], penalty, shape.Batch);
        return new ReconstructionGraph(step, group.Inputs, [.. rounded.Select(t => t.Name)], [.. scales.Select(t => t.Name)], masks, loss, penalty);
    }

    private static (TrainingStep Step, string Loss) Finish(GroupGraph.CutGroup group, IReadOnlyList<Trainable> trainables, string? penalty, int batch)
    {
        var builder = group.Builder;
        var sum = builder.Reduce("ReduceSum", group.Errors, false, [.. Enumerable.Range(0, group.Rank).Select(i => (long)i)]);
        var loss = builder.Output(builder.Binary("Mul", sum, builder.Scalar(1f / (batch * group.Positions))));
        var total = loss;
        if (penalty is not null)
        {
            total = builder.Binary("Add", loss, builder.Binary("Mul", builder.Input(PenaltyWeight, ElementType.Float32), penalty));
            builder.Output(penalty);
        }

        return (TrainingStep.Build(builder, total, trainables, Adam), loss);
    }

    private static GroupInput Mask(OnnxModel model, ModelPartition partition, string value, int batch)
    {
        var sample = GroupGraph.SampleShape(partition, value);
        var name = model.Graph.UniqueName($"{value}/mask");
        model.Graph.AddInput(new GraphValue(name, ElementType.Float32, [batch, .. sample]));
        return new GroupInput(name, value, sample);
    }

    /// <summary>Puts soft weights in the layers' place.</summary>
    /// <returns>The penalty on all of them.</returns>
    private static string Soften(OnnxModel model, ModelPartition partition, IReadOnlyList<(string Layer, SoftRounding Rounding)> layers, List<Trainable> rounded)
    {
        var (graph, builder) = (model.Graph, GraphBuilder.Edit(model));
        var penalties = new List<string>();
        var halfBeta = builder.Binary("Mul", builder.Input(graph.UniqueName(Beta), ElementType.Float32), builder.Scalar(0.5f));
        foreach (var (name, rounding) in layers)
        {
            var layer = partition.Find(name) ?? throw new InvalidOperationException($"The model has no layer '{name}'.");
            var v = builder.Input(graph.UniqueName($"{name}/rounding"), ElementType.Float32, [layer.Rows, layer.Columns]);
            rounded.Add(new Trainable(v, [layer.Rows, layer.Columns], Rate));
            var (weight, penalty) = Soften(builder, v, halfBeta, rounding, layer);
            penalties.Add(penalty);
            foreach (var node in layer.Nodes)
                node.SetInput(layer.WeightInput, weight);
        }

        return penalties.Count == 1 ? penalties[0] : builder.Add("Sum", penalties);
    }

    /// <summary>The layer's weight as the graph reads it, and the penalty on its undecided roundings.</summary>
    private static (string Weight, string Penalty) Soften(GraphBuilder b, string v, string halfBeta, SoftRounding rounding, Layer layer)
    {
        long[] shape = [layer.Rows, layer.Columns];
        var stretched = b.Binary("Add", b.Binary("Mul", b.Add("Sigmoid", [v]), b.Scalar((float)(RectifiedSigmoid.Zeta - RectifiedSigmoid.Gamma))), b.Scalar((float)RectifiedSigmoid.Gamma));
        var h = b.Add("Clip", [stretched, b.Scalar(0), b.Scalar(1)]);
        var undecided = b.Binary("Sub", b.Scalar(1), GroupGraph.Raise(b, b.Binary("Sub", b.Binary("Mul", h, b.Scalar(2)), b.Scalar(1)), halfBeta));
        var up = h;
        if (rounding.Trained() is var trained && trained.Contains(0))
        {
            var mask = b.Constant(Tensor.FromFloats("trained", shape, trained));
            (up, undecided) = (b.Binary("Mul", h, mask), b.Binary("Mul", undecided, mask));
        }

        var zeros = b.Constant(Tensor.FromFloats("zeros", [layer.Rows, 1], [.. rounding.Grids.Select(g => (float)g.Zero)]));
        var scales = b.Constant(Tensor.FromFloats("scales", [layer.Rows, 1], [.. rounding.Grids.Select(g => g.Scale)]));
        float[] lowest = [.. rounding.Floors().Select((floor, i) => floor + rounding.Grids[i / layer.Columns].Zero)];
        var code = b.Add("Clip", [b.Binary("Add", b.Constant(Tensor.FromFloats("floors", shape, lowest)), up), b.Scalar(0), b.Scalar(rounding.Grids[0].MaximumCode)]);
        var matrix = b.Binary("Mul", b.Binary("Sub", code, zeros), scales);
        var stored = layer.IsTransposed ? b.Transpose(matrix, 1, 0) : matrix;
        var wanted = layer.Weight.Tensor.Shape;
        return (wanted.Count == 2 ? stored : b.Reshape(stored, [.. wanted]), b.Reduce("ReduceSum", undecided, false, 0, 1));
    }
}

/// <param name="Batch">Samples of a step.</param>
/// <param name="Power">The loss's exponent.</param>
/// <param name="HasMasks">Whether a step says which elements of activations are quantized.</param>
internal readonly record struct StepShape(int Batch, double Power = GroupGraph.Square, bool HasMasks = false);
