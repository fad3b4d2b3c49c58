using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Models;

public sealed class GroupObstaclesTests
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

    [Fact]
    public void What_a_look_at_the_operators_does_not_tell_is_tried()
    {
        var builder = new GraphBuilder(13);
        var input = builder.Input("x", ElementType.Float32, -1, Width);
        var first = builder.Gemm(input, Weight(builder, "a"), transB: true);
        // A bound that weights of the block move.
        var between = builder.Add("Clip", [first, builder.Reduce("ReduceMean", first, false, 0, 1)]);
        builder.Output(builder.Binary("Add", builder.Gemm(between, Weight(builder, "b"), transB: true), input), type: ElementType.Float32, shape: [-1, Width]);

        var outline = ModelOutlines.Of(builder.Build(), "digest", 1, BatchNormMode.Fold);

        Assert.Contains("Clip has no gradient with respect to its input 1", Assert.Single(outline.Blocks).Obstacle, StringComparison.Ordinal);
        Assert.All(outline.Layers, l => Assert.Null(l.Obstacle));
    }

    [Theory]
    [InlineData("Relu", 13, null)]
    [InlineData("Relu", 9, null)]
    [InlineData("Softplus", 13, "(Softplus) has no gradient")]
    [InlineData("Flatten", 13, "first dimension does not count samples")]
    public void A_layer_says_why_it_cannot_be_done_by_itself(string behind, int opset, string? expected)
    {
        var builder = new GraphBuilder(opset);
        var input = builder.Input("x", ElementType.Float32, -1, 3, Width);
        var first = builder.Gemm(builder.Reshape(input, behind == "Flatten" ? [-1, Width] : [0, 3 * Width]), Weight(builder, "a", behind == "Flatten" ? Width : 3 * Width), transB: true);
        var second = behind switch
        {
            "Flatten" => first,
            _ => builder.Add(behind, [first]),
        };
        builder.Output(second, type: ElementType.Float32);

        var outline = ModelOutlines.Of(builder.Build(), "digest", 1, BatchNormMode.Fold);
        var obstacle = Assert.Single(outline.Layers).Obstacle;

        if (expected is null)
            Assert.Null(obstacle);
        else
            Assert.Contains(expected, obstacle, StringComparison.Ordinal);
    }

    [Fact]
    public void The_sample_has_none()
    {
        var outline = ModelOutlines.Of(FashionSample.Model(), "digest", 1, BatchNormMode.Fold);

        Assert.All(outline.Blocks, b => Assert.Null(b.Obstacle));
        Assert.All(outline.Layers, l => Assert.Null(l.Obstacle));
    }

    private static string Weight(GraphBuilder builder, string name, int columns = Width) =>
        builder.Constant(Tensor.FromFloats(name, [Width, columns], [.. Enumerable.Range(0, Width * columns).Select(i => MathF.Sin(i + name[0]))]));
}
