using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Networks;

/// <summary>Real networks of PyTorch, tf2onnx and paddle2onnx: read, split, prepared, written back and run.</summary>
public sealed class NetworkTests : IDisposable
{
    /// <summary>Float32 rounding through up to a hundred layers of folded batch norms, or of an operator whose newer kernel sums in another order.</summary>
    private const double Rounding = 1e-5;

    private readonly ModelRun _run = new();

    /// <summary>Newer operator sets open other fusions, whose rounding differs; without them the bits are the same.</summary>
    private readonly ModelRun _plain = new(optimized: false);

    public static TheoryData<string> Names() => Network.Names();

    public void Dispose()
    {
        _run.Dispose();
        _plain.Dispose();
    }

    [NetworkTheory]
    [MemberData(nameof(Names))]
    public void Reading_and_writing_loses_nothing(string name) => Expect.Nothing(FileContent.Lost(Network.Named(name).Bytes()));

    [NetworkTheory]
    [MemberData(nameof(Names))]
    public void The_partition_is_as_pinned(string name)
    {
        var model = OnnxModel.Load(Network.Named(name).Bytes());
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        GoldenFile.Matches($"Networks/{name}.txt", PartitionText.Of(model));
    }

    [NetworkTheory]
    [MemberData(nameof(Names))]
    public void The_prepared_model_computes_the_same(string name)
    {
        var network = Network.Named(name);
        var bytes = network.Bytes();
        var expected = _run.Run(bytes, network.Feeds());

        var kept = OnnxModel.Load(bytes);
        PassRunner.Run(kept, PassRunner.Preparation(foldBatchNorms: false));
        Expect.Nothing(Comparison.BitDifference(expected, _run.Run(kept.ToBytes(), network.Feeds())));

        var folded = OnnxModel.Load(bytes);
        PassRunner.Run(folded, PassRunner.Preparation(foldBatchNorms: true));
        Expect.Nothing(Comparison.Difference(expected, _run.Run(folded.ToBytes(), network.Feeds()), Rounding));
    }

    [NetworkTheory]
    [MemberData(nameof(Names))]
    public void A_raised_operator_set_changes_nothing(string name)
    {
        var network = Network.Named(name);
        var bytes = network.Bytes();
        var expected = _plain.Run(bytes, network.Feeds());
        foreach (var target in new[] { OpsetUpgrade.MinTarget, OpsetUpgrade.MaxTarget })
        {
            var model = OnnxModel.Load(bytes);
            if (OpsetUpgrade.FindBlockers(model, target).Count > 0)
                continue;
            OpsetUpgrade.Raise(model, target);
            var actual = _plain.Run(model.ToBytes(), network.Feeds());
            // From operator set 19 on the runtime has another kernel for it.
            var isRounded = target >= 19 && model.Graph.Nodes.Any(node => node.Is("AveragePool"));
            Expect.Nothing(isRounded ? Comparison.Difference(expected, actual, Rounding) : Comparison.BitDifference(expected, actual));
        }
    }

    /// <summary>Every layer, written as 8-bit integers, computes what its rounded float values do.</summary>
    [NetworkTheory]
    [MemberData(nameof(Names))]
    public void Integer_weights_compute_what_their_float_values_do(string name)
    {
        var network = Network.Named(name);
        var integers = OnnxModel.Load(network.Bytes());
        PassRunner.Run(integers, PassRunner.Preparation(foldBatchNorms: true));
        var reals = integers.Clone();
        foreach (var (integer, real) in ModelPartition.Of(integers).Layers.Zip(ModelPartition.Of(reals).Layers).ToList())
        {
            var (codes, scales, zeros) = Codes.Nearest(LayerMatrix.Read(integer), integer.Rows, bits: 8);
            LayerMatrix.Write(real, QuantizedWeights.Dequantize(codes, scales, zeros));
            Assert.Null(QuantizedWeights.Apply(integers, integer, codes, scales, zeros, bits: 8).Reason);
        }

        Expect.Nothing(Comparison.Difference(_plain.Run(reals.ToBytes(), network.Feeds()), _plain.Run(integers.ToBytes(), network.Feeds()), Rounding));
    }
}
