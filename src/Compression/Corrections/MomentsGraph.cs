using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Corrections;

/// <summary>The generated graph of a correction: the part of a model that some sites need, with the mean and variance of each channel as outputs.</summary>
public sealed class MomentsGraph
{
    private MomentsGraph(OnnxModel model, IReadOnlyList<SiteOutputs> outputs)
    {
        Model = model;
        Outputs = outputs;
    }

    public OnnxModel Model { get; }

    /// <summary>In the order of the sites.</summary>
    internal IReadOnlyList<SiteOutputs> Outputs { get; }

    /// <summary>Measures what the sites' nodes put out.</summary>
    /// <param name="model">Changed; not to be used afterwards.</param>
    public static MomentsGraph OfOutputs(OnnxModel model, IReadOnlyList<SiteRef> sites)
    {
        var builder = GraphBuilder.Edit(model);
        return Extract(builder, [.. sites.Select(site => Measure(builder, NodeOf(model, site).Output, site))]);
    }

    /// <summary>
    /// Measures what goes into batch norms, each of which normalizes with the statistics of the batch, as in training: so every batch norm sees what it
    /// would see once those before it are tuned (algorithms.md 5.10).
    /// </summary>
    /// <inheritdoc cref="OfOutputs"/>
    public static MomentsGraph OfTraining(OnnxModel model, IReadOnlyList<SiteRef> sites)
    {
        var builder = GraphBuilder.Edit(model);
        return Extract(builder, [.. sites.Select(site => Train(builder, model.Graph, NodeOf(model, site), site))]);
    }

    private static Node NodeOf(OnnxModel model, SiteRef site) =>
        model.Graph.FindNode(site.Node) ?? throw new InvalidOperationException($"The model has no node '{site.Node}'.");

    private static MomentsGraph Extract(GraphBuilder builder, IReadOnlyList<SiteOutputs> outputs)
    {
        string[] names = [.. outputs.SelectMany(output => new[] { output.Mean, output.Variance, output.Size })];
        var part = GraphBuilder.Extract(builder.Build(), names);
        foreach (var name in names)
            part.Output(name);
        return new MomentsGraph(part.Build(), outputs);
    }

    private static SiteOutputs Measure(GraphBuilder builder, string value, SiteRef site)
    {
        var real = builder.Cast(value, ElementType.Float32);
        var (centered, mean) = Center(builder, real, site);
        var squares = builder.Binary("Mul", centered, centered);
        return new(Flat(builder, mean), Flat(builder, MeanOf(builder, squares, site)), builder.Add("Size", [real]));
    }

    private static SiteOutputs Train(GraphBuilder builder, Graph graph, Node norm, SiteRef site)
    {
        var real = builder.Cast(norm.Inputs[0], ElementType.Float32);
        var (centered, mean) = Center(builder, real, site);
        var variance = MeanOf(builder, builder.Binary("Mul", centered, centered), site);
        var deviation = builder.Add("Sqrt", [builder.Binary("Add", variance, builder.Scalar(norm.Float("epsilon", 1e-5f)))]);
        var factor = builder.Binary("Div", Parameter(builder, norm.Inputs[1]), deviation);
        var normalized = builder.Binary("Add", builder.Binary("Mul", centered, factor), Parameter(builder, norm.Inputs[2]));
        var shaped = builder.Add("Reshape", [normalized, builder.Add("Shape", [real])]);
        var type = WeightView.Find(graph, norm.Inputs[1])!.Tensor.ElementType;
        var output = norm.Output;
        graph.Remove(norm);
        graph.Add(new Node("Cast", $"{norm.Name}/trained", [shaped], [output], NodeAttribute.Int("to", (long)type)));
        return new(Flat(builder, mean), Flat(builder, variance), builder.Add("Size", [real]));

        string Parameter(GraphBuilder b, string value) => b.Reshape(b.Cast(value, ElementType.Float32), 1, site.Channels, 1);
    }

    /// <summary>The value without its means, in a shape that reduces over few axes whatever the value's rank is, and the means.</summary>
    private static (string Centered, string Mean) Center(GraphBuilder builder, string value, SiteRef site)
    {
        var shaped = site.Axis switch
        {
            ChannelAxis.Second => builder.Reshape(value, 0, site.Channels, -1),
            ChannelAxis.Last => builder.Reshape(value, -1, site.Channels),
            _ => value,
        };
        var mean = MeanOf(builder, shaped, site);
        return (builder.Binary("Sub", shaped, mean), mean);
    }

    /// <summary>Means that broadcast against the shaped value.</summary>
    private static string MeanOf(GraphBuilder builder, string shaped, SiteRef site) => site.Axis switch
    {
        ChannelAxis.Second => builder.Reduce("ReduceMean", shaped, true, 0, 2),
        ChannelAxis.Last => builder.Reduce("ReduceMean", shaped, true, 0),
        // The rank is not known: first the positions, then everything before the channels.
        _ => builder.Reshape(builder.Reduce("ReduceMean", builder.Reshape(builder.Reduce("ReduceMean", shaped, false, -1), -1, site.Channels), false, 0), site.Channels, 1),
    };

    private static string Flat(GraphBuilder builder, string mean) => builder.Reshape(mean, -1);
}

/// <summary>Names of a site's outputs: [channels], [channels], and the number of elements.</summary>
internal sealed record SiteOutputs(string Mean, string Variance, string Size);
