namespace Orchestrator.Onnx.Partition;

/// <summary>
/// A layer's weight as float32 [rows × columns], row-major; columns of a convolution in the order (ci, kh, kw), rows of a grouped one group
/// after group (algorithms.md 0.1).
/// </summary>
public static class LayerMatrix
{
    public static float[] Read(Layer layer)
    {
        var (stored, readAs) = (layer.Weight.Tensor, layer.Weight.ReadAs);
        var values = readAs.Bits() < stored.ElementType.Bits()
            ? Tensor.FromReals(stored.Name, readAs, stored.Shape, stored.ReadDoubles()).ReadFloats()
            : stored.ReadFloats();
        return layer.IsTransposed ? Transpose(values, layer.Columns, layer.Rows) : values;
    }

    /// <summary>
    /// Puts the matrix in place of the weight, rounded to the type the weight is stored in, for the layer's own nodes. Nodes of another kind that
    /// read the same storage keep what they had.
    /// </summary>
    /// <exception cref="OnnxException">The matrix has another size.</exception>
    public static void Write(Layer layer, ReadOnlySpan<float> matrix)
    {
        if (matrix.Length != (long)layer.Rows * layer.Columns)
            throw new OnnxException(layer.Name, $"{matrix.Length} weights given for [{layer.Rows} × {layer.Columns}]");
        var stored = layer.IsTransposed ? Transpose(matrix, layer.Rows, layer.Columns) : matrix;
        var old = layer.Weight.Tensor;
        var tensor = old.ElementType == ElementType.Float32
            ? Tensor.FromFloats(layer.Weight.Storage, old.Shape, stored)
            : Tensor.FromReals(layer.Weight.Storage, old.ElementType, old.Shape, [.. stored.ToArray().Select(v => (double)v)]);
        Replace(layer, tensor);
    }

    /// <summary>Element [i, j] of the [rows × columns] matrix goes to [j, i].</summary>
    internal static T[] Transpose<T>(ReadOnlySpan<T> matrix, int rows, int columns)
    {
        var transposed = new T[matrix.Length];
        for (var i = 0; i < rows; i++)
            for (var j = 0; j < columns; j++)
                transposed[(j * rows) + i] = matrix[(i * columns) + j];
        return transposed;
    }

    private static void Replace(Layer layer, Tensor tensor)
    {
        var graph = layer.Graph;
        var own = layer.Nodes.ToHashSet();
        var isOwn = layer.Weight is { ConstantNode: null, IsExposed: false } && layer.Weight.Uses.All(u => own.Contains(u.Node));
        if (isOwn)
        {
            graph.ReplaceInitializer(layer.Weight.Storage, tensor);
            return;
        }
        var value = graph.AddConstant(tensor, layer.Weight.ReadAs, before: layer.FirstNode);
        foreach (var node in own)
            node.SetInput(layer.WeightInput, value);
        layer.Weight.RemoveUnread();
    }
}
