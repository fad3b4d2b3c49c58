using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Gradients;

/// <summary>A value that training changes.</summary>
/// <param name="Name">A graph input.</param>
/// <param name="Rate">The scalar graph input that holds its learning rate; made if the graph lacks it.</param>
/// <param name="Minimum">What no element of it goes below; null where nothing holds it.</param>
public sealed record Trainable(string Name, IReadOnlyList<long> Shape, string Rate, float? Minimum = null);

/// <summary>Decay of Adam's first and second moments and the number added to the root of the second.</summary>
public sealed record AdamSettings(double Beta1 = 0.9, double Beta2 = 0.999, double Epsilon = 1e-8)
{
    /// <summary>What a step takes as <see cref="TrainingStep.Correction1"/> and <see cref="TrainingStep.Correction2"/>.</summary>
    /// <param name="step">Counted from 1.</param>
    public (double First, double Second) Corrections(int step) => (1 - Math.Pow(Beta1, step), 1 - Math.Pow(Beta2, step));
}

/// <summary>
/// A graph that runs one step: forward, gradients and Adam's update (Kingma and Ba, algorithm 1). A value N and its moments are the inputs N, N.m
/// and N.v, all float32, and come out as N.next, N.m.next and N.v.next. For step t, counted from 1, the inputs
/// <see cref="Correction1"/> and <see cref="Correction2"/> are 1 − Beta1ᵗ and 1 − Beta2ᵗ, so that one graph serves every step.
/// </summary>
/// <param name="Loss">The output that holds the loss before the update.</param>
/// <param name="Trainables">In the order given.</param>
public sealed record TrainingStep(OnnxModel Model, string Loss, IReadOnlyList<Trainable> Trainables)
{
    public const string Correction1 = "correction1";

    public const string Correction2 = "correction2";

    /// <summary>Completes the graph; the builder must not be used afterwards. Outputs that it has already stay.</summary>
    /// <exception cref="OnnxException">As <see cref="Gradients.Add"/>; or a trainable value is no input of the stated shape.</exception>
    public static TrainingStep Build(GraphBuilder builder, string loss, IReadOnlyList<Trainable> trainables, AdamSettings adam)
    {
        foreach (var trainable in trainables)
            Check(builder.Model.Graph, trainable);
        new WinogradConvolutions().Run(builder.Model);
        new BandedConvolutions().Run(builder.Model);
        var gradients = Gradients.Add(builder, loss, [.. trainables.Select(t => t.Name)]);
        foreach (var scalar in trainables.Select(t => t.Rate).Append(Correction1).Append(Correction2).Distinct())
            if (!builder.Model.Graph.Has(scalar))
                builder.Input(scalar, ElementType.Float32);
        var constants = new Constants(builder, adam);
        foreach (var trainable in trainables)
            Update(builder, trainable, gradients[trainable.Name], constants);
        builder.Output(loss);
        return new TrainingStep(builder.Build(), loss, trainables);
    }

    /// <summary>m′ = β₁·m + (1 − β₁)·g, v′ = β₂·v + (1 − β₂)·g², x′ = x − rate·(m′/c₁)/(√(v′/c₂) + ε).</summary>
    private static void Update(GraphBuilder b, Trainable trainable, string gradient, Constants constants)
    {
        var first = b.Input($"{trainable.Name}.m", ElementType.Float32, trainable.Shape);
        var second = b.Input($"{trainable.Name}.v", ElementType.Float32, trainable.Shape);
        var m = b.Binary("Add", b.Binary("Mul", first, constants.Beta1), b.Binary("Mul", gradient, constants.Rest1));
        var v = b.Binary("Add", b.Binary("Mul", second, constants.Beta2), b.Binary("Mul", b.Binary("Mul", gradient, gradient), constants.Rest2));
        var root = b.Binary("Add", b.Add("Sqrt", [b.Binary("Div", v, Correction2)]), constants.Epsilon);
        var rate = b.Binary("Div", trainable.Rate, Correction1);
        var next = b.Binary("Sub", trainable.Name, b.Binary("Mul", rate, b.Binary("Div", m, root)));
        next = trainable.Minimum is { } minimum ? b.Add("Max", [next, b.Scalar(minimum)]) : next;
        b.Output(next, $"{trainable.Name}.next", ElementType.Float32, trainable.Shape);
        b.Output(m, $"{trainable.Name}.m.next", ElementType.Float32, trainable.Shape);
        b.Output(v, $"{trainable.Name}.v.next", ElementType.Float32, trainable.Shape);
    }

    private static void Check(Graph graph, Trainable trainable)
    {
        var input = graph.Inputs.FirstOrDefault(i => i.Name == trainable.Name)
            ?? throw new OnnxException($"value '{trainable.Name}'", "what is trained must be an input of the graph");
        if (input.Shape is null || !input.Shape.SequenceEqual(trainable.Shape))
            throw new OnnxException($"value '{trainable.Name}'", $"its shape is [{string.Join(',', input.Shape ?? [])}], not [{string.Join(',', trainable.Shape)}]");
    }

    private sealed class Constants(GraphBuilder b, AdamSettings adam)
    {
        public string Beta1 { get; } = b.Scalar((float)adam.Beta1);

        public string Rest1 { get; } = b.Scalar((float)(1 - adam.Beta1));

        public string Beta2 { get; } = b.Scalar((float)adam.Beta2);

        public string Rest2 { get; } = b.Scalar((float)(1 - adam.Beta2));

        public string Epsilon { get; } = b.Scalar((float)adam.Epsilon);
    }
}
