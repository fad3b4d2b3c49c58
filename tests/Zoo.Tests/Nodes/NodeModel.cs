using Google.Protobuf;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Zoo.Tests.Running;
using RuntimeType = Orchestrator.OnnxRuntime.ElementType;

namespace Orchestrator.Zoo.Tests.Nodes;

/// <summary>A single-operator model of libonnx-testdata with its inputs and expected outputs.</summary>
internal sealed class NodeModel
{
    private readonly string _folder;

    private NodeModel(string folder)
    {
        _folder = folder;
        Proto = ModelProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(folder, "model.onnx")));
        // Operators that have not changed since carry the number of the set that brought them, which is older than any we read.
        foreach (var import in Proto.OpsetImport.Where(o => o.Domain.Length == 0))
            import.Version = Math.Max(import.Version, OnnxModel.MinOpset);
        Bytes = Proto.ToByteArray();
    }

    public string Name => Path.GetFileName(_folder)["test_".Length..];

    public byte[] Bytes { get; }

    public ModelProto Proto { get; }

    public IEnumerable<string> Operators => Proto.Graph.Node.Select(node => node.OpType).Distinct();

    /// <summary>Whether all inputs and outputs are tensors of elements that this test can hand over.</summary>
    public bool IsTensors => Proto.Graph.Input.Concat(Proto.Graph.Output).All(v => v.Type?.TensorType is { } tensor && tensor.ElemType != (int)ElementType.Text);

    public static IReadOnlyList<NodeModel> All() =>
        [.. Directory.GetDirectories(Installed.NodeModels).Order(StringComparer.Ordinal).Select(folder => new NodeModel(folder))];

    public IReadOnlyList<Tensor> Inputs() => Tensors("input", Proto.Graph.Input);

    public IReadOnlyList<Tensor> Outputs() => Tensors("output", Proto.Graph.Output);

    public IReadOnlyList<Feed> Feeds() => [.. Inputs().Select(t => new Feed(t.Name, (RuntimeType)t.ElementType, [.. t.Shape], t.ReadBytes()))];

    public IReadOnlyList<Result> Expected() => [.. Outputs().Select(t => new Result(t.Name, (RuntimeType)t.ElementType, [.. t.Shape], t.ReadBytes()))];

    /// <summary>The model with what steers shapes (integers of at most one axis, scales) stored in it, as exporters do, and nothing said of its outputs.</summary>
    public OnnxModel WithConstants()
    {
        var proto = Proto.Clone();
        foreach (var input in Inputs().Where(Steers))
        {
            proto.Graph.Input.Remove(proto.Graph.Input.Single(i => i.Name == input.Name));
            proto.Graph.Initializer.Add(input.Proto);
        }

        foreach (var output in proto.Graph.Output)
            output.Type = null;
        return OnnxModel.Load(proto.ToByteArray());
    }

    public static bool Steers(Tensor input) =>
        input.Shape.Count <= 1 && (input.ElementType is ElementType.Int64 or ElementType.Int32 || input.Name is "scales" or "roi");

    private List<Tensor> Tensors(string kind, IEnumerable<ValueInfoProto> values) => [.. values.Select((value, index) =>
    {
        var proto = TensorProto.Parser.ParseFrom(File.ReadAllBytes(Path.Combine(_folder, "test_data_set_0", $"{kind}_{index}.pb")));
        proto.Name = value.Name;
        // These files hold bfloat16 as its bits, for want of such a type in NumPy.
        if (value.Type.TensorType.ElemType == (int)ElementType.BFloat16)
            proto.DataType = (int)ElementType.BFloat16;
        return new Tensor(proto);
    })];
}
