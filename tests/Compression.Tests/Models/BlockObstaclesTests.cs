using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Models;

public sealed class BlockObstaclesTests
{
    private const int Width = 4;

    [Theory]
    [InlineData("Relu", false)]
    [InlineData("Hardmax", true)]
    public void A_block_with_an_operator_that_has_no_gradient_between_its_layers_says_so(string between, bool isObstacle)
    {
        var builder = new GraphBuilder(13);
        var input = builder.Input("x", ElementType.Float32, -1, Width);
        var first = builder.Gemm(input, Weight(builder, "a"), transB: true);
        var second = builder.Gemm(builder.Add(between, [first]), Weight(builder, "b"), transB: true);
        builder.Output(builder.Binary("Add", second, input), type: ElementType.Float32, shape: [-1, Width]);

        var block = Assert.Single(ModelOutlines.Of(builder.Build(), "digest", 1, BatchNormMode.Fold).Blocks);

        Assert.Equal(2, block.Layers.Count);
        if (isObstacle)
            Assert.EndsWith($"({between}) has no gradient", block.Obstacle, StringComparison.Ordinal);
        else
            Assert.Null(block.Obstacle);
    }

    private static string Weight(GraphBuilder builder, string name) =>
        builder.Constant(Tensor.FromFloats(name, [Width, Width], [.. Enumerable.Range(0, Width * Width).Select(i => MathF.Sin(i + name[0]))]));
}
