using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Tests.Partition;

public sealed class LayerMatrixTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_gemm_reads_rows_as_outputs_whatever_the_orientation(bool transB)
    {
        // y0 = x0 + 2 x1 + 3 x2, y1 = 4 x0 + 5 x1 + 6 x2.
        float[] stored = transB ? [1, 2, 3, 4, 5, 6] : [1, 4, 2, 5, 3, 6];
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 3);
        builder.Output(builder.Gemm(x, builder.Constant(Tensor.FromFloats("w", transB ? [2, 3] : [3, 2], stored)), transB: transB));
        var model = builder.Build();
        var layer = ModelPartition.Of(model).Layers[0];

        Assert.Equal([1f, 2, 3, 4, 5, 6], LayerMatrix.Read(layer));

        LayerMatrix.Write(layer, [10, 20, 30, 40, 50, 60]);
        Assert.Equal(transB ? [10f, 20, 30, 40, 50, 60] : [10f, 40, 20, 50, 30, 60], model.Graph.Initializer("w")!.ReadFloats());
    }

    [Fact]
    public void A_convolution_keeps_columns_in_the_order_channel_row_column()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        var layer = ModelPartition.Of(model).Find("/blocks/blocks.2/conv1/Conv")!;
        var matrix = LayerMatrix.Read(layer);
        var weight = model.Graph.Initializer("blocks.2.conv1.weight")!.ReadFloats();

        for (var (row, ci) = (5, 7); row < 48; row += 9)
            for (var (kh, kw) = (1, 2); ci < 24; ci += 5)
                Assert.Equal(weight[(((((row * 24) + ci) * 3) + kh) * 3) + kw], matrix[(row * 216) + (ci * 9) + (kh * 3) + kw]);
    }

    [Fact]
    public void Writing_leaves_other_readers_of_the_storage_alone()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var w = builder.Constant(Tensor.FromFloats("w", [2, 2], [1, 2, 3, 4]));
        builder.Output(builder.Binary("Add", builder.Gemm(x, w, transB: true), w));
        var model = builder.Build();

        LayerMatrix.Write(ModelPartition.Of(model).Layers[0], [5, 6, 7, 8]);

        Assert.Equal([1f, 2, 3, 4], model.Graph.Initializer("w")!.ReadFloats());
        Assert.Equal([5f, 6, 7, 8], LayerMatrix.Read(ModelPartition.Of(model).Layers[0]));
    }

    [Fact]
    public void Half_precision_weights_are_read_and_written_as_float()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float16, -1, 2);
        builder.Output(builder.MatMul(x, builder.Constant(Tensor.FromReals("w", ElementType.Float16, [2, 2], [1, 2, 3, 0.1]))));
        var model = builder.Build();
        var layer = ModelPartition.Of(model).Layers[0];

        Assert.Equal([1f, 3, 2, (float)(Half)0.1], LayerMatrix.Read(layer));
        LayerMatrix.Write(layer, [1, 2, 3, 4]);
        Assert.Equal(ElementType.Float16, model.Graph.Initializer("w")!.ElementType);
        Assert.Equal([1f, 3, 2, 4], model.Graph.Initializer("w")!.ReadFloats());
    }

    [Fact]
    public void A_matrix_of_another_size_is_refused()
    {
        var layer = ModelPartition.Of(OnnxModel.Load(SampleModels.ResNet14)).Layers[0];

        Assert.Equal(layer.Name, Assert.Throws<OnnxException>(() => LayerMatrix.Write(layer, [1, 2])).Subject);
    }
}
