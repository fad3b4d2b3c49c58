using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// The training step of a group whose weights are being rounded: the group with soft weights s·(clip(⌊W/s⌋ + h(V) + z, 0, n) − z), its loss and the
/// penalty (algorithms.md 2.1), gradients and Adam's update in one graph of a fixed batch.
/// </summary>
/// <param name="Inputs">Minibatches of what enters, then the target.</param>
/// <param name="Rounded">Names of V, by layer, [rows × columns] each.</param>
/// <param name="Loss">Output: the error's square, summed over channels, mean over samples and positions.</param>
/// <param name="Penalty">Output: Σ(1 − |2h − 1|^β) over the group's tuned roundings.</param>
internal sealed record ReconstructionGraph(TrainingStep Step, IReadOnlyList<GroupInput> Inputs, IReadOnlyList<string> Rounded, string Loss, string Penalty)
{
    public const string Rate = "rate";
    public const string Beta = "beta";
    public const string PenaltyWeight = "penalty_weight";

    /// <summary>As AdaRound has it (algorithms.md 2.2).</summary>
    public static AdamSettings Adam { get; } = new();

    /// <param name="model">In float, prepared; not changed.</param>
    /// <param name="layers">By name: what their weights are rounded from.</param>
    /// <param name="batch">Samples of a step.</param>
    /// <exception cref="OnnxException">The group holds what has no gradient, or shapes that are not known.</exception>
    public static ReconstructionGraph Build(OnnxModel model, GroupBoundary boundary, IReadOnlyList<(string Layer, SoftRounding Rounding)> layers, int batch)
    {
        var copy = model.Clone();
        var partition = ModelPartition.Of(copy);
        var builder = GraphBuilder.Edit(copy);
        var (rounded, penalties) = (new List<Trainable>(), new List<string>());
        var beta = builder.Input(copy.Graph.UniqueName(Beta), ElementType.Float32);
        foreach (var (name, rounding) in layers)
        {
            var layer = partition.Find(name) ?? throw new InvalidOperationException($"The model has no layer '{name}'.");
            var v = builder.Input(copy.Graph.UniqueName($"{name}/rounding"), ElementType.Float32, [layer.Rows, layer.Columns]);
            rounded.Add(new Trainable(v, [layer.Rows, layer.Columns], Rate));
            var (weight, penalty) = Soften(builder, v, beta, rounding, layer);
            penalties.Add(penalty);
            foreach (var node in layer.Nodes)
                node.SetInput(layer.WeightInput, weight);
        }

        var penaltySum = penalties.Count == 1 ? penalties[0] : builder.Add("Sum", penalties);
        var group = GroupGraph.Cut(copy, partition, boundary, batch, penaltySum);
        return Finish(group, rounded, penaltySum, batch);
    }

    private static ReconstructionGraph Finish(GroupGraph.CutGroup group, List<Trainable> rounded, string penalty, int batch)
    {
        var builder = group.Builder;
        var loss = builder.Binary("Mul", builder.Reduce("ReduceSum", group.Squares, false, [.. Enumerable.Range(0, group.Rank).Select(i => (long)i)]), builder.Scalar(1f / (batch * group.Positions)));
        var weight = builder.Input(PenaltyWeight, ElementType.Float32);
        var total = builder.Binary("Add", loss, builder.Binary("Mul", weight, penalty));
        builder.Output(loss);
        builder.Output(penalty);
        return new ReconstructionGraph(TrainingStep.Build(builder, total, rounded, Adam), group.Inputs, [.. rounded.Select(t => t.Name)], loss, penalty);
    }

    /// <summary>The layer's weight as the graph reads it, and the penalty on its undecided roundings.</summary>
    private static (string Weight, string Penalty) Soften(GraphBuilder b, string v, string beta, SoftRounding rounding, Layer layer)
    {
        long[] shape = [layer.Rows, layer.Columns];
        var stretched = b.Binary("Add", b.Binary("Mul", b.Add("Sigmoid", [v]), b.Scalar((float)(RectifiedSigmoid.Zeta - RectifiedSigmoid.Gamma))), b.Scalar((float)RectifiedSigmoid.Gamma));
        var h = b.Add("Clip", [stretched, b.Scalar(0), b.Scalar(1)]);
        var distance = b.Add("Abs", [b.Binary("Sub", b.Binary("Mul", h, b.Scalar(2)), b.Scalar(1))]);
        var undecided = b.Binary("Sub", b.Scalar(1), b.Binary("Pow", distance, beta));
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
