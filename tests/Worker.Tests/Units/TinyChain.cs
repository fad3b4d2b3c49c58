using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>A model of three Gemm layers [4 × 4] for <see cref="TinyGemm"/>'s samples, a Relu behind each but the last.</summary>
internal static class TinyChain
{
    public const int Width = TinyGemm.Columns;

    /// <summary>What leaves the first layer.</summary>
    public const string First = "Relu";

    /// <summary>What leaves the second layer.</summary>
    public const string Middle = "Relu_1";

    public static IReadOnlyList<LayerRef> Layers { get; } = [new("Gemm", 0), new("Gemm_1", 1), new("Gemm_2", 2)];

    public static float[] Matrix(int layer) => [.. Enumerable.Range(0, Width * Width).Select(i => MathF.Sin(1.3f * i + layer))];

    public static byte[] Model()
    {
        var builder = new GraphBuilder(13);
        var value = builder.Input("x", ElementType.Float32, -1, Width);
        for (var layer = 0; layer < Layers.Count; layer++)
        {
            value = builder.Gemm(value, builder.Constant(Tensor.FromFloats($"w{layer}", [Width, Width], Matrix(layer))), transB: true);
            if (layer < Layers.Count - 1)
                value = builder.Add("Relu", [value]);
        }

        builder.Output(value, type: ElementType.Float32, shape: [-1, Width]);
        return builder.Build().ToBytes();
    }
}
