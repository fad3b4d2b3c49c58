namespace Orchestrator.Onnx.Passes;

/// <summary>Which output channel an element of a layer's weight belongs to.</summary>
/// <param name="Channels">Output channels, all groups together.</param>
/// <param name="ChannelOf">From the element's row-major index.</param>
internal sealed record WeightAxis(int Channels, Func<int, int> ChannelOf)
{
    /// <summary>For Conv [Co, Ci/g, k…], ConvTranspose [Ci, Co/g, k…] and Gemm without transA; null for anything else.</summary>
    public static WeightAxis? OfOutput(Node layer, Tensor weight)
    {
        var shape = weight.Shape;
        if (layer.Is("Conv") && shape.Count >= 3)
        {
            var perChannel = (int)shape.Skip(1).Aggregate(1L, (a, d) => a * d);
            return new WeightAxis((int)shape[0], i => i / perChannel);
        }
        if (layer.Is("ConvTranspose") && shape.Count >= 3)
        {
            var groups = (int)layer.Int("group", 1);
            var kernel = (int)shape.Skip(2).Aggregate(1L, (a, d) => a * d);
            var (inputs, outputs) = ((int)shape[0], (int)shape[1]);
            return groups < 1 || inputs % groups != 0
                ? null
                : new WeightAxis(outputs * groups, i => (i / kernel / outputs / (inputs / groups) * outputs) + (i / kernel % outputs));
        }
        if (layer.Is("Gemm") && shape.Count == 2 && layer.Int("transA", 0) == 0)
        {
            var columns = (int)shape[1];
            return layer.Int("transB", 0) != 0 ? new WeightAxis((int)shape[0], i => i / columns) : new WeightAxis(columns, i => i % columns);
        }
        return null;
    }
}
