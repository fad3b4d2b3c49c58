using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>A group cut out of its model: fed with what enters it, it gives the error of what leaves it.</summary>
/// <param name="Inputs">In the order of the boundary's, then the target: what should leave the group; then the weights of its error where it has any.</param>
/// <param name="Errors">The output [samples]: Σ w·|z − target|ᵖ over a sample's elements.</param>
/// <param name="Positions">Elements of a sample's output a channel.</param>
internal sealed record GroupGraph(OnnxModel Model, IReadOnlyList<GroupInput> Inputs, string Errors, long Positions)
{
    /// <summary>The exponent p where weights are tuned.</summary>
    public const double Square = 2;

    /// <summary>Added to squares before their logarithm is taken: to its power it is still a normal float32, and far below any loss.</summary>
    private const float SmallestSquare = 1e-30f;

    /// <param name="model">With the weights to look at; not changed.</param>
    /// <param name="partition">Of a model with the same values.</param>
    /// <param name="activations">Values of the group that are quantized.</param>
    /// <exception cref="OnnxException">A value's shape is not known, or does not count samples.</exception>
    public static GroupGraph Build(OnnxModel model, ModelPartition partition, GroupBoundary boundary, IReadOnlyList<ActivationGrid> activations, double power)
    {
        var copy = model.Clone();
        FakeQuantization.Insert(copy, activations);
        var cut = Cut(copy, partition, boundary, batch: -1, power);
        var errors = cut.Builder.Output(cut.Builder.Reduce("ReduceSum", cut.Builder.Reshape(cut.Errors, 0, -1), false, 1));
        return new GroupGraph(cut.Builder.Build(), cut.Inputs, errors, cut.Positions);
    }

    /// <summary>The nodes of a group, fed through inputs of their own, and its error.</summary>
    /// <param name="model">Changed; not to be used afterwards.</param>
    /// <param name="batch">Samples of a run; -1 leaves them open.</param>
    /// <param name="power">The exponent p.</param>
    /// <param name="kept">Further values that the graph goes on computing.</param>
    internal static CutGroup Cut(
        OnnxModel model, ModelPartition partition, GroupBoundary boundary, int batch, double power, params IReadOnlyList<string> kept)
    {
        var inputs = new List<GroupInput>();
        foreach (var value in boundary.Inputs)
        {
            var shape = SampleShape(partition, value);
            var name = model.Graph.UniqueName($"{value}/entering");
            model.Graph.AddInput(new GraphValue(name, ElementType.Float32, [batch, .. shape]));
            model.Graph.ReplaceUses(value, name);
            inputs.Add(new GroupInput(name, value, shape));
        }

        var leaving = SampleShape(partition, boundary.Output);
        var target = model.Graph.UniqueName($"{boundary.Output}/target");
        var builder = GraphBuilder.Extract(model, kept.Prepend(boundary.Output));
        builder.Input(target, ElementType.Float32, [batch, .. leaving]);
        inputs.Add(new GroupInput(target, boundary.Output, leaving));
        var errors = Raise(builder, builder.Binary("Sub", boundary.Output, target), power);
        if (boundary.Gradient is { } gradient)
        {
            var weights = builder.Input(model.Graph.UniqueName($"{boundary.Output}/weights"), ElementType.Float32, [batch, .. leaving]);
            inputs.Add(new GroupInput(weights, gradient, leaving));
            errors = builder.Binary("Mul", errors, weights);
        }

        var channels = boundary.ChannelAxis == 1 ? leaving[0] : leaving[^-boundary.ChannelAxis];
        return new CutGroup(builder, inputs, errors, leaving.Length + 1, leaving.Aggregate(1L, (a, d) => a * d) / channels);
    }

    private static string Raise(GraphBuilder builder, string difference, double power) => power == Square
        ? builder.Binary("Mul", difference, difference)
        : Raise(builder, difference, builder.Scalar((float)(power / 2)));

    /// <summary>|x|ᵖ as exp(p/2·log x²): the runtime has vector instructions for these and none for Pow, which took a quarter of a step's time.</summary>
    /// <param name="half">p/2, a scalar of the graph.</param>
    internal static string Raise(GraphBuilder builder, string value, string half)
    {
        var square = builder.Binary("Mul", value, value);
        var logarithm = builder.Add("Log", [builder.Binary("Add", square, builder.Scalar(SmallestSquare))]);
        return builder.Add("Exp", [builder.Binary("Mul", logarithm, half)]);
    }

    internal static long[] SampleShape(ModelPartition partition, string value) =>
        partition.Shapes.Find(value) is { Count: > 1 } shape && shape[0] == partition.Shapes.SamplesPerRun && shape.All(dimension => dimension > 0)
            ? [.. shape.Skip(1)]
            : throw new OnnxException(value, "its shape is not known or its first dimension does not count samples, so it cannot be reconstructed");

    /// <param name="Errors">w·|z − target|ᵖ, of the output's shape.</param>
    /// <param name="Rank">Of that shape.</param>
    internal sealed record CutGroup(GraphBuilder Builder, IReadOnlyList<GroupInput> Inputs, string Errors, int Rank, long Positions);
}

/// <param name="Name">Of the graph's input.</param>
/// <param name="Value">Of the model's value that feeds it.</param>
/// <param name="Shape">Of one sample.</param>
internal sealed record GroupInput(string Name, string Value, IReadOnlyList<long> Shape);
