using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Checks that what a tensor says of its shape, its type and its data agrees, and brings external data in.</summary>
internal sealed class TensorCheck(ExternalData external)
{
    /// <summary>More axes than any operator takes.</summary>
    public const int MaxRank = 64;

    /// <summary>What the sparse tensors of a model take together once they are written out, which the runtime does.</summary>
    public const long MaxSparseBytes = 256L << 20;

    private long _sparseBytes;

    /// <summary>Number of elements of a shape.</summary>
    /// <exception cref="OnnxException">A negative dimension, or a product beyond 64 bits.</exception>
    public static long Count(string name, IReadOnlyList<long> dims)
    {
        if (dims.Count > MaxRank)
            throw new OnnxException(name, $"the tensor has {dims.Count} dimensions; at most {MaxRank} are allowed");
        long count = 1;
        var overflow = false;
        foreach (var dim in dims)
        {
            if (dim < 0)
                throw new OnnxException(name, $"the tensor has the negative dimension {dim}");
            overflow |= dim != 0 && count > long.MaxValue / 128 / dim;
            count = overflow ? 0 : count * dim;
        }
        return overflow && !dims.Contains(0)
            ? throw new OnnxException(name, "the tensor's number of elements overflows")
            : dims.Contains(0) ? 0 : count;
    }

    public void Graph(GraphProto graph)
    {
        foreach (var tensor in graph.Initializer)
            Tensor(tensor, $"initializer '{tensor.Name}'");
        foreach (var sparse in graph.SparseInitializer)
            Sparse(sparse);
        foreach (var node in graph.Node)
            Node(node);
    }

    public void Node(NodeProto node)
    {
        foreach (var attribute in node.Attribute)
        {
            var owner = $"attribute '{attribute.Name}' of node '{(node.Name.Length > 0 ? node.Name : node.OpType)}'";
            if (attribute.T is not null)
                Tensor(attribute.T, owner);
            foreach (var tensor in attribute.Tensors)
                Tensor(tensor, owner);
            if (attribute.SparseTensor is not null)
                Sparse(attribute.SparseTensor);
            foreach (var sparse in attribute.SparseTensors)
                Sparse(sparse);
            if (attribute.G is not null)
                Graph(attribute.G);
            foreach (var graph in attribute.Graphs)
                Graph(graph);
        }
    }

    public void Tensor(TensorProto tensor, string subject)
    {
        var type = (ElementType)tensor.DataType;
        var count = Count(subject, tensor.Dims);
        OnePlace(tensor, subject);
        if (tensor.Segment is not null)
            throw new OnnxException(subject, "the tensor is stored in segments, which no runtime reads");
        if (type == ElementType.Text)
        {
            if (tensor.StringData.Count != count)
                throw new OnnxException(subject, $"the tensor holds {tensor.StringData.Count} strings where its shape wants {count}");
            return;
        }
        if (type.Bits() == 0)
            throw new OnnxException(subject, $"the tensor has the unknown element type {tensor.DataType}");
        var expected = type.ByteCount(count);
        if (tensor.DataLocation == TensorProto.Types.DataLocation.External)
        {
            if (expected > OnnxModel.MaxBytes)
                throw new OnnxException(subject, $"the tensor takes {expected} bytes; at most {OnnxModel.MaxBytes} are supported");
            external.Load(tensor, expected);
        }
        else if (tensor.HasRawData)
        {
            if (tensor.RawData.Length != expected)
                throw new OnnxException(subject, $"the tensor holds {tensor.RawData.Length} bytes where its shape wants {expected}");
        }
        else
        {
            TypedData(tensor, type, count, subject);
        }
    }

    /// <summary>A tensor with its data in two places means one thing to us and may mean another to the runtime.</summary>
    private static void OnePlace(TensorProto tensor, string subject)
    {
        ReadOnlySpan<bool> places =
        [
            tensor.RawData.Length > 0, tensor.FloatData.Count > 0, tensor.Int32Data.Count > 0, tensor.StringData.Count > 0, tensor.Int64Data.Count > 0,
            tensor.DoubleData.Count > 0, tensor.Uint64Data.Count > 0, tensor.DataLocation == TensorProto.Types.DataLocation.External,
        ];
        if (places.Count(true) > 1)
            throw new OnnxException(subject, "the tensor holds its data in more than one place");
    }

    private static void TypedData(TensorProto tensor, ElementType type, long count, string subject)
    {
        var (held, wanted) = type switch
        {
            ElementType.Float32 => (tensor.FloatData.Count, count),
            ElementType.Complex64 => (tensor.FloatData.Count, 2 * count),
            ElementType.Float64 => (tensor.DoubleData.Count, count),
            ElementType.Complex128 => (tensor.DoubleData.Count, 2 * count),
            ElementType.Int64 => (tensor.Int64Data.Count, count),
            ElementType.UInt32 or ElementType.UInt64 => (tensor.Uint64Data.Count, count),
            _ => (tensor.Int32Data.Count, type.Bits() < 8 ? type.ByteCount(count) : count),
        };
        if (held != wanted)
            throw new OnnxException(subject, $"the tensor holds {held} numbers where its shape wants {wanted}");
    }

    private void Sparse(SparseTensorProto sparse)
    {
        var subject = $"sparse tensor '{sparse.Values?.Name}'";
        var count = Count(subject, sparse.Dims);
        if (sparse.Values is null || sparse.Indices is null)
            throw new OnnxException(subject, "the sparse tensor lacks values or indices");
        _sparseBytes += Math.Min(((ElementType)sparse.Values.DataType).ByteCount(count), MaxSparseBytes + 1);
        if (_sparseBytes > MaxSparseBytes)
            throw new OnnxException(subject, $"the model's sparse tensors take more than {MaxSparseBytes} bytes when they are written out");
        Tensor(sparse.Values, subject);
        Tensor(sparse.Indices, subject);
    }
}
