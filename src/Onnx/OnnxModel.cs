using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx;

/// <summary>An ONNX model: a graph and what surrounds it in the file. Whatever this version does not know is kept and written back.</summary>
public sealed class OnnxModel
{
    /// <summary>Older operator sets have other semantics for broadcasting and batch normalization.</summary>
    public const int MinOpset = 7;

    /// <summary>Newest operator set that the runtime we ship with executes.</summary>
    public const int MaxOpset = 26;

    /// <summary>Protobuf's limit for one message.</summary>
    public const long MaxBytes = int.MaxValue;

    private readonly ModelProto _proto;
    private HashSet<(string Domain, string Name)>? _functions;

    internal OnnxModel(ModelProto proto)
    {
        _proto = proto;
        Graph = new Graph(proto.Graph);
    }

    public Graph Graph { get; }

    /// <summary>Version of the operator set of the specification itself.</summary>
    public int Opset => (int)ModelReader.DefaultOpset(_proto)!.Version;

    /// <summary>Operator sets by domain; the specification's own under the empty name.</summary>
    public IReadOnlyDictionary<string, long> OpsetImports =>
        _proto.OpsetImport.DistinctBy(o => Normal(o.Domain)).ToDictionary(o => Normal(o.Domain), o => o.Version, StringComparer.Ordinal);

    public long IrVersion => _proto.IrVersion;

    public string ProducerName => _proto.ProducerName;

    /// <summary>Bytes of tensors that lay outside what the model was read from; 0 for a model that was not read.</summary>
    public long ExternalBytes { get; init; }

    /// <summary>Whether the content of some initializer lies in a file.</summary>
    public bool HasExternalData => Graph.Initializers.Any(t => t.Mapped is not null);

    /// <summary>Key and value pairs that travel with the model.</summary>
    public IReadOnlyDictionary<string, string> Metadata =>
        _proto.MetadataProps.DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Value, StringComparer.Ordinal);

    /// <summary>Whether the model brings operators of its own, written as functions.</summary>
    public bool HasFunctions => _proto.Functions.Count > 0;

    /// <summary>Reads a model; tensors in external files are read from the model's folder.</summary>
    /// <exception cref="OnnxException">The file is missing, no ONNX model, malformed, hostile, or outside the supported operator sets.</exception>
    public static OnnxModel Load(string path) => ModelReader.Read(path);

    /// <param name="folder">Where external tensors lie; null refuses them.</param>
    /// <inheritdoc cref="Load(string)"/>
    public static OnnxModel Load(ReadOnlySpan<byte> bytes, string? folder = null) => ModelReader.Read(bytes, folder);

    /// <param name="find">Finds what a tensor's external data names; asked once a tensor, before any of its bytes are needed.</param>
    /// <inheritdoc cref="Load(string)"/>
    public static OnnxModel Load(ReadOnlySpan<byte> bytes, Func<string, ExternalFile> find) => ModelReader.Read(bytes, new ExternalData(find));

    /// <summary>Whether the node calls one of the model's own functions.</summary>
    public bool CallsFunction(Node node) =>
        (_functions ??= [.. _proto.Functions.Select(f => (Normal(f.Domain), f.Name))]).Contains((node.Domain, node.OpType));

    /// <summary>Imports the domain's operator set in that version, raising the file format's version where it demands so.</summary>
    public void SetOpset(string domain, int version)
    {
        var import = _proto.OpsetImport.FirstOrDefault(o => Normal(o.Domain) == Normal(domain));
        if (import is null)
            _proto.OpsetImport.Add(import = new OperatorSetIdProto { Domain = domain });
        import.Version = version;
        if (Normal(domain).Length == 0)
            _proto.IrVersion = Math.Max(_proto.IrVersion, IrVersionOf(version));
    }

    public void SetMetadata(string key, string value)
    {
        var entry = _proto.MetadataProps.FirstOrDefault(p => p.Key == key);
        if (entry is null)
            _proto.MetadataProps.Add(entry = new StringStringEntryProto { Key = key });
        entry.Value = value;
    }

    /// <summary>An independent copy; the content of tensors is shared, since it never changes.</summary>
    public OnnxModel Clone()
    {
        Flush();
        return new OnnxModel(_proto.Clone());
    }

    /// <summary>The file's bytes: equal models give equal bytes.</summary>
    /// <exception cref="OnnxException">The model does not fit in one protobuf message (2 GiB).</exception>
    public byte[] ToBytes()
    {
        Flush();
        const long Slack = 1 << 20;
        var size = _proto.Graph.Initializer.Sum(t => (long)t.CalculateSize()) + _proto.Graph.Node.Sum(n => (long)n.CalculateSize()) + Slack;
        if (size > Math.Min(MaxBytes, Array.MaxLength))
            throw new OnnxException("model", $"the model takes about {size} bytes; a file without external data holds at most {MaxBytes}");
        return _proto.ToByteArray();
    }

    /// <summary>The file's bytes with some initializers lying elsewhere.</summary>
    /// <param name="place">Where an initializer lies; null for one that stays in the message.</param>
    /// <exception cref="OnnxException">What stays does not fit in one protobuf message (2 GiB).</exception>
    public byte[] ToBytes(Func<Tensor, ExternalPlace?> place)
    {
        Flush();
        var moved = new OnnxModel(_proto.Clone());
        foreach (var tensor in moved.Graph.Initializers)
            if (place(tensor) is { } elsewhere)
                ExternalLayout.Move(tensor.Proto, elsewhere, tensor.ByteCount);
        return moved.ToBytes();
    }

    /// <summary>
    /// Writes the file; where initializers lie in files, or the model is too large for one message, all large ones go into
    /// <c>{path}.data</c> beside it.
    /// </summary>
    public void Save(string path)
    {
        if (!HasExternalData && Graph.Initializers.Sum(t => t.ByteCount) < MaxBytes / 2)
        {
            File.WriteAllBytes(path, ToBytes());
            return;
        }

        var layout = ExternalLayout.Of(this, $"{Path.GetFileName(path)}.data");
        using (var data = File.Create($"{path}.data"))
            layout.WriteData(data);
        File.WriteAllBytes(path, layout.Message);
    }

    /// <summary>First version of the file format that allows the operator set.</summary>
    internal static long IrVersionOf(int opset) => opset switch
    {
        <= 8 => 3,
        9 => 4,
        10 => 5,
        11 => 6,
        <= 14 => 7,
        <= 18 => 8,
        <= 20 => 9,
        <= 22 => 10,
        23 => 11,
        <= 25 => 12,
        _ => 13,
    };

    private static string Normal(string domain) => domain == "ai.onnx" ? "" : domain;

    private void Flush()
    {
        Graph.Flush();
        const long InitializersNeedNoInput = 4;
        var inputs = _proto.Graph.Input.Select(i => i.Name).ToHashSet(StringComparer.Ordinal);
        if (_proto.IrVersion < InitializersNeedNoInput && _proto.Graph.Initializer.Any(t => !inputs.Contains(t.Name)))
            _proto.IrVersion = InitializersNeedNoInput;
    }
}
