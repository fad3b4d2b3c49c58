using System.Runtime.InteropServices;
using System.Text;
using Orchestrator.Onnx;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>A model of one Gemm layer [3 × 4] and 16 samples for it.</summary>
internal static class TinyGemm
{
    public const string Layer = "Gemm";
    public const int Rows = 3;
    public const int Columns = 4;
    public const int Samples = 16;

    public static float[] Weights { get; } = [.. Enumerable.Range(0, Rows * Columns).Select(i => MathF.Sin(i + 1))];

    public static float[] Data { get; } = [.. Enumerable.Range(0, Samples * Columns).Select(i => MathF.Cos(i * 0.7f) * (1 + (i % 3)))];

    /// <param name="activation">The operator behind the layer; null for none.</param>
    public static byte[] Model(int opset = 13, string? activation = null)
    {
        var builder = new GraphBuilder(opset);
        var input = builder.Input("x", ElementType.Float32, -1, Columns);
        var weight = builder.Constant(Tensor.FromFloats("w", [Rows, Columns], Weights));
        var output = builder.Gemm(input, weight, transB: true);
        builder.Output(activation is null ? output : builder.Add(activation, [output]), type: ElementType.Float32, shape: [-1, Rows]);
        return builder.Build().ToBytes();
    }

    /// <summary>The samples as a .npy file of float32 [Samples, Columns].</summary>
    public static byte[] Npy()
    {
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Samples}, {Columns}), }}".PadRight(117) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header), .. MemoryMarshal.AsBytes(Data.AsSpan())];
    }
}
