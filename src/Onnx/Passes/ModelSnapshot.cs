using System.Buffers.Binary;
using System.Security.Cryptography;
using Google.Protobuf;

namespace Orchestrator.Onnx.Passes;

/// <summary>As much of a model as tells what a pass changed. Content of tensors is not copied: tensors never change.</summary>
internal sealed class ModelSnapshot
{
    private readonly HashSet<UInt128> _nodes;
    private readonly Dictionary<string, Tensor> _constants;
    private readonly int _opset;

    private ModelSnapshot(OnnxModel model)
    {
        var graph = model.Graph;
        _nodes = [.. Digests(graph)];
        _constants = graph.Initializers.ToDictionary(t => t.Name, StringComparer.Ordinal);
        foreach (var node in graph.Nodes.Where(n => n.Is("Constant")))
            if (WeightView.Find(graph, node.Output) is { } constant)
                _constants.TryAdd(node.Output, constant.Tensor);
        _opset = model.Opset;
        Interface = string.Join('\n', graph.Inputs.Select(i => i.Name)) + "\n\n" + string.Join('\n', graph.Outputs.Select(o => o.Name));
    }

    /// <summary>Names of inputs and outputs.</summary>
    public string Interface { get; }

    public static ModelSnapshot Of(OnnxModel model) => new(model);

    public PassEffect EffectTowards(ModelSnapshot after)
    {
        var effect = PassEffect.None;
        if (!_nodes.SetEquals(after._nodes))
            effect |= PassEffect.Nodes;
        if (!_constants.Keys.ToHashSet(StringComparer.Ordinal).SetEquals(after._constants.Keys))
            effect |= PassEffect.Constants;
        if (after._constants.Any(c => IsNewContent(c.Key, c.Value)))
            effect |= PassEffect.Weights;
        return _opset == after._opset ? effect : effect | PassEffect.Opset;
    }

    /// <summary>One for each node, of its bytes: those themselves, twice, would be more than the model.</summary>
    private static IEnumerable<UInt128> Digests(Graph graph)
    {
        var bytes = Array.Empty<byte>();
        var hash = new byte[SHA256.HashSizeInBytes];
        foreach (var node in graph.Nodes)
        {
            var size = node.Proto.CalculateSize();
            if (bytes.Length < size)
                bytes = new byte[Math.Max(size, 2 * bytes.Length)];
            node.Proto.WriteTo(bytes.AsSpan(0, size));
            SHA256.HashData(bytes.AsSpan(0, size), hash);
            yield return BinaryPrimitives.ReadUInt128LittleEndian(hash);
        }
    }

    /// <summary>Real numbers that the model did not hold before under this or any other name.</summary>
    private bool IsNewContent(string name, Tensor tensor)
    {
        if (!tensor.ElementType.IsReal() || (_constants.TryGetValue(name, out var same) && (ReferenceEquals(same, tensor) || same.ContentEquals(tensor))))
            return false;
        return !_constants.Values.Any(t => t.ContentEquals(tensor));
    }
}
