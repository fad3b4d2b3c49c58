using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.TestKit.Networks;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Topologies;

/// <summary>Activations of generated networks: where they are quantized, and that what is written computes what is simulated.</summary>
public sealed class ActivationTopologyTests : IDisposable
{
    private const int Bits = 4;

    // Scale and code of 0 that cut off a good part of what these networks compute at either end.
    private const float Scale = 0.11f;
    private const int Zero = 5;

    private readonly ModelRun _plain = new(optimized: false);

    public static TheoryData<string> Names() => [.. Orchestrator.TestKit.Networks.Topologies.Names];

    public void Dispose() => _plain.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_layer_behind_another_computes_on_quantized_values(string name)
    {
        var model = Prepared(name);
        var partition = ModelPartition.Of(model);
        var places = ActivationPlaces.Of(model, partition, new ActivationSpec(Bits, []));
        var fed = ActivationPlaces.LayersBehind(model, partition, places.Select(p => p.Value)).SelectMany(group => group).ToHashSet();

        Assert.Equal(places.DistinctBy(p => p.Value), places);
        Assert.All(partition.Layers.Where(layer => IsBehindAnother(model.Graph, partition, layer)), layer => Assert.Contains(layer.Name, fed));
        Assert.All(places, place => Assert.False(model.Graph.IsOutput(place.Value)));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void What_is_written_computes_what_is_simulated(string name)
    {
        var (simulated, written) = (Prepared(name), Prepared(name));
        foreach (var (value, bits) in ActivationPlaces.Of(simulated, ModelPartition.Of(simulated), new ActivationSpec(Bits, [])))
        {
            FakeQuantization.Insert(simulated, [new ActivationGrid(value, bits, Scale, Zero)]);
            QuantizedActivations.Apply(written, value, Scale, Zero, bits);
        }

        Expect.Nothing(Comparison.Difference(_plain.Run(simulated.ToBytes(), Feeds()), _plain.Run(written.ToBytes(), Feeds()), tolerance: 0));
    }

    /// <summary>No sizes, masks or positions: those a group computes itself.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void Every_block_is_fed_with_activations_alone(string name)
    {
        var model = Prepared(name);
        var partition = ModelPartition.Of(model);
        foreach (var boundary in partition.Blocks.Select(b => GroupBoundary.Of(model, partition, [.. b.Layers.Select(l => l.Name)])))
        {
            Assert.NotEmpty(boundary.Inputs);
            Assert.All(boundary.Inputs, input => Assert.True(partition.Shapes.Find(input) is [var samples, _, ..] && samples == partition.Shapes.SamplesPerRun, $"'{input}' is [{string.Join(", ", partition.Shapes.Find(input) ?? [])}]"));
        }
    }

    private static bool IsBehindAnother(Graph graph, ModelPartition partition, Layer layer)
    {
        var outputs = partition.Layers.SelectMany(l => l.Nodes).SelectMany(n => n.Outputs).ToHashSet();
        var seen = new HashSet<string>();
        var pending = new Stack<string>([layer.Input]);
        while (pending.TryPop(out var value))
        {
            if (outputs.Contains(value))
                return true;
            if (seen.Add(value) && graph.Producer(value) is { } node)
                foreach (var input in node.Inputs)
                    pending.Push(input);
        }

        return false;
    }

    private static OnnxModel Prepared(string name)
    {
        var model = Orchestrator.TestKit.Networks.Topologies.Build(name, new NetworkStyle());
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        return model;
    }

    private static RandomFeeds Feeds() => new(5) { Batch = 2, Integers = TransformerNetworks.Vocabulary };
}
