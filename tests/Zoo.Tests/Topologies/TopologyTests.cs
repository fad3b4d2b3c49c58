using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.TestKit.Networks;
using Orchestrator.Zoo.Tests.Networks;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Topologies;

/// <summary>Generated networks in every dialect that exporters write: split, prepared, raised and written as integers, they compute the same.</summary>
public sealed class TopologyTests : IDisposable
{
    /// <summary>Float32 rounding through up to twenty layers, where sums are taken in another order.</summary>
    private const double Rounding = 1e-5;

    /// <summary>Rounding of folded weights to the float16 that they are stored in, 5e-4 each.</summary>
    private const double HalfRounding = 1e-2;

    /// <summary>Rounding of folded weights to the bfloat16 that they are stored in, 4e-3 each.</summary>
    private const double BFloat16Rounding = 8e-2;

    private static readonly int[] s_opsets = [7, 8, 9, 10, 11, 12, 13, 15, 17, 18, 20, 21];

    private readonly ModelRun _run = new();
    private readonly ModelRun _plain = new(optimized: false);

    public static TheoryData<string> Names() => [.. Orchestrator.TestKit.Networks.Topologies.Names];

    public static TheoryData<string, WeightPlace> Places()
    {
        var data = new TheoryData<string, WeightPlace>();
        foreach (var place in Enum.GetValues<WeightPlace>())
            foreach (var name in new[] { "mobilenet", "shufflenet", "vgg", "decoder", "encoder" })
                data.Add(name, place);
        return data;
    }

    public void Dispose()
    {
        _run.Dispose();
        _plain.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_partition_is_as_pinned(string name)
    {
        var model = Build(name, new NetworkStyle());
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        GoldenFile.Matches($"Topologies/{name}.txt", PartitionText.Of(model));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_operator_set_is_read_prepared_and_raised(string name)
    {
        var layers = new List<int>();
        foreach (var opset in s_opsets)
        {
            var bytes = Build(name, new NetworkStyle { Opset = opset }).ToBytes();
            Expect.Nothing(FileContent.Lost(bytes));
            var expected = _plain.Run(bytes, Feeds());
            var prepared = OnnxModel.Load(bytes);
            PassRunner.Run(prepared, PassRunner.Preparation(foldBatchNorms: true));
            layers.Add(ModelPartition.Of(prepared).Layers.Count);
            Expect.Nothing(Comparison.Difference(expected, _plain.Run(prepared.ToBytes(), Feeds()), Rounding));
            foreach (var target in new[] { OpsetUpgrade.MinTarget, OpsetUpgrade.MaxTarget })
            {
                var raised = OnnxModel.Load(bytes);
                OpsetUpgrade.Raise(raised, target);
                Expect.Nothing(Comparison.Difference(expected, _plain.Run(raised.ToBytes(), Feeds()), Rounding));
            }
        }

        Assert.Single(layers.Distinct());
    }

    [Theory]
    [MemberData(nameof(Places))]
    public void Weights_are_found_wherever_exporters_leave_them(string name, WeightPlace place)
    {
        var usual = ModelPartition.Of(Prepared(Build(name, new NetworkStyle()))).Layers;
        var original = Build(name, new NetworkStyle { Weights = place });
        Expect.Nothing(FileContent.Lost(original.ToBytes()));
        var expected = _run.Run(original.ToBytes(), Feeds());

        var prepared = Prepared(original.Clone());
        Expect.Nothing(Comparison.Difference(expected, _run.Run(prepared.ToBytes(), Feeds()), place switch
        {
            WeightPlace.CastHalf => HalfRounding,
            WeightPlace.CastBFloat16 => BFloat16Rounding,
            _ => Rounding,
        }));
        Assert.Equal(usual.Select(l => (l.OpType, l.Rows, l.Columns, l.Groups)), ModelPartition.Of(prepared).Layers.Select(l => (l.OpType, l.Rows, l.Columns, l.Groups)));
        AssertWritten(prepared, Rounding);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Half_precision_networks_stay_what_they_are(string name)
    {
        var original = Build(name, new NetworkStyle { Type = ElementType.Float16, Opset = 17 });
        var expected = _run.Run(original.ToBytes(), Feeds());

        var prepared = Prepared(original.Clone());
        Expect.Nothing(Comparison.Difference(expected, _run.Run(prepared.ToBytes(), Feeds()), HalfRounding));
        Assert.All(ModelPartition.Of(prepared).Layers, layer => Assert.Equal(ElementType.Float16, layer.Weight.ReadAs));
        AssertWritten(prepared, HalfRounding);
    }

    /// <summary>Layers written as floats and as integers compute the same; floats stay in the type they were stored in, and nothing of the old weights remains.</summary>
    private void AssertWritten(OnnxModel prepared, double tolerance)
    {
        var (reals, integers) = (prepared.Clone(), prepared.Clone());
        var stored = ModelPartition.Of(prepared).Layers.Select(l => l.Weight.Tensor.ElementType).ToList();
        foreach (var (integer, real) in ModelPartition.Of(integers).Layers.Zip(ModelPartition.Of(reals).Layers).ToList())
        {
            var (codes, scales, zeros) = Codes.Nearest(LayerMatrix.Read(integer), integer.Rows, bits: 4);
            LayerMatrix.Write(real, QuantizedWeights.Dequantize(codes, scales, zeros));
            Assert.Null(QuantizedWeights.Apply(integers, integer, codes, scales, zeros, bits: 4).Reason);
        }

        Assert.Equal(stored, ModelPartition.Of(reals).Layers.Select(l => l.Weight.Tensor.ElementType));
        Assert.Empty(ModelPartition.Of(integers).Layers);
        Expect.Nothing(Comparison.Difference(_plain.Run(reals.ToBytes(), Feeds()), _plain.Run(integers.ToBytes(), Feeds()), Math.Max(tolerance, stored.Contains(ElementType.BFloat16) ? BFloat16Rounding : stored.Contains(ElementType.Float16) ? HalfRounding : 0)));
        Assert.All(new[] { reals, integers }, model => Assert.False(RemovesDeadCode(model)));
    }

    private static bool RemovesDeadCode(OnnxModel model) => new RemoveDeadCode().Run(model.Clone());

    private static OnnxModel Build(string name, NetworkStyle style) => Orchestrator.TestKit.Networks.Topologies.Build(name, style);

    private static OnnxModel Prepared(OnnxModel model)
    {
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        return model;
    }

    private static RandomFeeds Feeds() => new(5) { Batch = 2, Integers = TransformerNetworks.Vocabulary };
}
