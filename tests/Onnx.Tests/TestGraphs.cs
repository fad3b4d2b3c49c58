namespace Orchestrator.Onnx.Tests;

internal static class TestGraphs
{
    public static OnnxModel BuildWithIdentity(this GraphBuilder builder)
    {
        builder.Input("x", ElementType.Float32, -1, 4);
        builder.Output(builder.Identity("x"), "y");
        return builder.Build();
    }
}
