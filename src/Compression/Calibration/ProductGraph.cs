using Orchestrator.Jobs;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Compression.Calibration;

/// <summary>Adds to a graph the products X·Xᵀ of layers' inputs; the columns of X are positions or tokens (algorithms.md 0.1).</summary>
internal sealed class ProductGraph(GraphBuilder builder, InferredShapes shapes)
{
    private const int StridedSliceOpset = 10;

    /// <summary>From here on 10 of 16 products outweigh the copies that splitting takes (measured, one core, AVX2).</summary>
    private const int SplitColumns = 400;

    private const int SplitParts = 4;

    private readonly Dictionary<string, string> _batchLast = [];

    /// <summary>Layers with one input and one geometry, as at a branch, share their product.</summary>
    private readonly Dictionary<string, string> _products = [];

    /// <summary>
    /// X·Xᵀ of one node as [columns, columns], or [groups, columns, columns] for a grouped convolution, in float32. Zero padding is part
    /// of X; its rows are in the order (ci, kernel position).
    /// </summary>
    /// <param name="node">The layer's node or one that shares its weight.</param>
    /// <exception cref="InputException">The size of the inputs cannot be known.</exception>
    public string Product(Layer layer, Node node)
    {
        var input = layer.InputOf(node);
        switch (layer.Kind)
        {
            case LayerKind.Convolution:
                return Convolution(layer, node, input);
            case LayerKind.FeaturesLast:
                var tokens = builder.Reshape(Real(layer, input), -1, layer.Columns);
                return Scaled(builder.Gemm(tokens, tokens, transA: true), layer.Alpha);
            default:
                var features = builder.Reshape(builder.Transpose(Real(layer, input), FeaturesFirst(node, input)), layer.Columns, -1);
                return Scaled(Square(features, layer.Columns), layer.Alpha);
        }
    }

    /// <summary>A factor of the layer is a factor of its inputs.</summary>
    private string Scaled(string product, float alpha) =>
        alpha == 1 ? product : builder.Binary("Mul", product, builder.Scalar(alpha * alpha));

    private string Convolution(Layer layer, Node node, string input)
    {
        var geometry = ConvolutionGeometry.Of(node, layer.Weight.Tensor.Shape, shapes.Find(input), out var reason)
            ?? throw new InputException("layer-geometry", node.Name, $"The inputs of '{node.Name}' cannot be collected: {reason}.", "Skip the layer, or export the model with fixed sizes.");
        var key = string.Join('|', input, layer.Groups, Text(geometry.Kernel), Text(geometry.Strides), Text(geometry.Dilations), Text(geometry.PadsBefore), Text(geometry.PadsAfter));
        if (_products.TryGetValue(key, out var product))
            return product;
        var channels = (long)layer.Columns / layer.KernelPositions * layer.Groups;
        var values = BatchLast(layer, input, geometry.Kernel.Count);
        if (layer.Groups > 1)
            product = SquareGroups(builder.Reshape(Unfold(values, channels, geometry), layer.Groups, layer.Columns, -1));
        else if (shapes.Find(input) is [.., > 0 and var size] && ShiftedProduct.Suits(geometry, geometry.OutputSize(geometry.Kernel.Count - 1, size)))
            product = Shifted(values, channels, geometry);
        else
            product = Square(builder.Reshape(Unfold(values, channels, geometry), layer.Columns, -1), layer.Columns);
        _products.Add(key, product);
        return product;
    }

    /// <summary>The full symmetric product. Of wide matrices only the blocks on and below the diagonal are multiplied.</summary>
    private string Square(string matrix, long columns)
    {
        if (columns < SplitColumns || columns % SplitParts != 0)
            return builder.Gemm(matrix, matrix, transB: true);
        var size = columns / SplitParts;
        string[] parts = [.. Enumerable.Range(0, SplitParts).Select(part => builder.Slice(matrix, 0, part * size, (part + 1) * size))];
        var blocks = new string[SplitParts, SplitParts];
        for (var i = 0; i < SplitParts; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                blocks[i, j] = builder.Gemm(parts[i], parts[j], transB: true);
                if (i != j)
                    blocks[j, i] = builder.Transpose(blocks[i, j], 1, 0);
            }
        }

        var all = Enumerable.Range(0, SplitParts);
        return builder.Concat(0, all.Select(i => builder.Concat(1, all.Select(j => blocks[i, j]))));
    }

    private string SquareGroups(string matrices) => builder.MatMul(matrices, builder.Transpose(matrices, 0, 2, 1));

    /// <summary>[C, kernel positions, outputs·N]: one strided slice of the padded input for every kernel position.</summary>
    private string Unfold(string value, long channels, ConvolutionGeometry geometry)
    {
        if (geometry.IsPointwise)
            return value;
        var padded = Padded(value, geometry);
        var slices = Positions(geometry.Kernel).Select(position => builder.Reshape(At(padded, position, geometry), channels, 1, -1)).ToArray();
        return slices.Length == 1 ? slices[0] : builder.Concat(1, slices);
    }

    /// <summary>Unfolds over all axes but the last, along which the product is shifted.</summary>
    private string Shifted(string value, long channels, ConvolutionGeometry geometry)
    {
        var outer = geometry with { Kernel = [.. geometry.Kernel.SkipLast(1), 1] };
        var padded = Padded(value, geometry);
        var slices = Positions(outer.Kernel).Select(position => builder.Unsqueeze(At(padded, position, outer), 1)).ToArray();
        var unfolded = slices.Length == 1 ? slices[0] : builder.Concat(1, slices);
        return new ShiftedProduct(builder, unfolded, geometry.Kernel.Count + 1, channels * slices.Length, (int)geometry.Kernel[^1], geometry.Dilations[^1]).Build();
    }

    private string Padded(string value, ConvolutionGeometry geometry) =>
        geometry.PadsBefore.Concat(geometry.PadsAfter).All(pad => pad == 0)
            ? value
            : builder.Pad(value, [0, .. geometry.PadsBefore, 0, 0, .. geometry.PadsAfter, 0]);

    /// <summary>The element that one kernel position meets at every output position.</summary>
    private string At(string value, long[] position, ConvolutionGeometry geometry)
    {
        var axes = position.Length;
        long[] starts = [.. position.Select((at, axis) => at * geometry.Dilations[axis])];
        // Counted from the end, so that the size of the input need not be known.
        long[] ends = [.. position.Select((at, axis) => geometry.Kernel[axis] - 1 - at is > 0 and var left ? -left * geometry.Dilations[axis] : int.MaxValue)];
        if (builder.Opset >= StridedSliceOpset)
            return builder.Slice(value, [.. Enumerable.Range(1, axes).Select(axis => (long)axis)], starts, ends, [.. geometry.Strides]);
        for (var axis = 0; axis < axes; axis++)
            value = builder.Slice(value, axis + 1, starts[axis], ends[axis]);
        return geometry.Strides.All(stride => stride == 1) ? value : Thinned(value, axes, geometry.Strides);
    }

    /// <summary>Older operator sets have no slice with steps; a maximum over one element is one.</summary>
    private string Thinned(string value, int axes, IReadOnlyList<long> strides)
    {
        long[] batchFirst = [axes + 1, .. Enumerable.Range(0, axes + 1).Select(axis => (long)axis)];
        long[] batchLast = [.. Enumerable.Range(1, axes + 1).Select(axis => (long)axis), 0];
        var thinned = builder.Add(
            "MaxPool", [builder.Transpose(value, batchFirst)], NodeAttribute.Ints("kernel_shape", Enumerable.Repeat(1L, axes)), NodeAttribute.Ints("strides", strides));
        return builder.Transpose(thinned, batchLast);
    }

    /// <summary>[C, …, N]: with the batch last, every slice of the input is made of long runs, which is what makes unfolding cheap.</summary>
    private string BatchLast(Layer layer, string input, int axes)
    {
        if (!_batchLast.TryGetValue(input, out var result))
        {
            result = builder.Transpose(Real(layer, input), [.. Enumerable.Range(1, axes + 1).Select(axis => (long)axis), 0]);
            _batchLast.Add(input, result);
        }

        return result;
    }

    private string Real(Layer layer, string input) =>
        layer.Weight.ReadAs == ElementType.Float32 ? input : builder.Cast(input, ElementType.Float32);

    private IEnumerable<long> FeaturesFirst(Node node, string input)
    {
        var rank = shapes.Find(input)?.Count
            ?? throw new InputException("layer-geometry", node.Name, $"The number of dimensions of '{input}', which feeds '{node.Name}', is not known.", "Skip the layer, or export the model with shapes.");
        // A vector is a single position.
        return rank == 1 ? [0] : Enumerable.Range(0, rank).Where(axis => axis != rank - 2).Prepend(rank - 2).Select(axis => (long)axis);
    }

    private static string Text(IReadOnlyList<long> numbers) => string.Join(',', numbers);

    /// <summary>All positions of a kernel, the last axis fastest.</summary>
    private static IEnumerable<long[]> Positions(IReadOnlyList<long> kernel)
    {
        var position = new long[kernel.Count];
        while (true)
        {
            yield return [.. position];
            var axis = kernel.Count - 1;
            while (axis >= 0 && ++position[axis] == kernel[axis])
                position[axis--] = 0;
            if (axis < 0)
                yield break;
        }
    }
}
