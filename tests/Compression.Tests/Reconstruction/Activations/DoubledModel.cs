using Orchestrator.Compression.Models;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction.Activations;

/// <summary>y = x · 2, of which y is to be quantized.</summary>
internal static class DoubledModel
{
    public static (OnnxModel Model, string Value) Build(int opset)
    {
        var builder = new GraphBuilder(opset);
        var x = builder.Input("x", ElementType.Float32, -1);
        var y = builder.Output(builder.Binary("Mul", x, builder.Scalar(2)));
        return (builder.Build(), y);
    }

    /// <summary>What a model of one input x and one output, both vectors, makes of it.</summary>
    public static float[] Run(ModelRuntime runtime, OnnxModel model, float[] x)
    {
        using var session = runtime.Open(model);
        using var options = new RunOptions();
        using var input = OrtValue.FromMemory<float>(x, [x.Length]);
        using var outputs = session.Run(["x"], [input], [model.Graph.Outputs[0].Name], options);
        return outputs[0].AsSpan<float>().ToArray();
    }
}
