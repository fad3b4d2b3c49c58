using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>A graph's input, output or described inner value: name, element type, shape.</summary>
public sealed class GraphValue
{
    internal GraphValue(ValueInfoProto proto) => Proto = proto;

    /// <param name="shape">Dimensions, -1 where open; null where even their number is unknown.</param>
    public GraphValue(string name, ElementType type, IReadOnlyList<long>? shape)
    {
        var tensor = new TypeProto.Types.Tensor { ElemType = (int)type };
        if (shape is not null)
        {
            tensor.Shape = new TensorShapeProto();
            foreach (var dim in shape)
                tensor.Shape.Dim.Add(dim < 0 ? new TensorShapeProto.Types.Dimension() : new TensorShapeProto.Types.Dimension { DimValue = dim });
        }
        Proto = new ValueInfoProto { Name = name, Type = new TypeProto { TensorType = tensor } };
    }

    internal ValueInfoProto Proto { get; }

    public string Name => Proto.Name;

    /// <summary>Undefined for what is not a tensor: sequences, maps, optionals.</summary>
    public ElementType ElementType => (ElementType)(Proto.Type?.TensorType?.ElemType ?? 0);

    /// <summary>Dimensions, -1 where open; null where even their number is unknown.</summary>
    public IReadOnlyList<long>? Shape =>
        Proto.Type?.TensorType?.Shape is { } shape
            ? [.. shape.Dim.Select(d => d.ValueCase == TensorShapeProto.Types.Dimension.ValueOneofCase.DimValue && d.DimValue >= 0 ? d.DimValue : -1)]
            : null;

    /// <summary>The symbolic name of every dimension; empty where it has none.</summary>
    public IReadOnlyList<string> DimensionNames => Proto.Type?.TensorType?.Shape is { } shape ? [.. shape.Dim.Select(d => d.DimParam)] : [];

    public override string ToString() =>
        $"{Name}: {ElementType.OnnxName()}{(Shape is { } shape ? $"[{string.Join(',', shape)}]" : "")}";
}
