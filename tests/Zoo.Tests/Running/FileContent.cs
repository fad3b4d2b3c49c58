using Google.Protobuf;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Zoo.Tests.Running;

/// <summary>Whether a model that was read and written again says all that the file said.</summary>
internal static class FileContent
{
    /// <summary>Null where nothing is lost or changed but the names of nodes that had none of their own, which writing gives them.</summary>
    public static string? Lost(ReadOnlySpan<byte> file)
    {
        var before = ModelProto.Parser.ParseFrom(file);
        var after = ModelProto.Parser.ParseFrom(OnnxModel.Load(file).ToBytes());
        var taken = new HashSet<string>();
        foreach (var (old, now) in before.Graph.Node.Zip(after.Graph.Node))
            if (old.Name.Length == 0 || !taken.Add(old.Name))
                old.Name = now.Name;
        return before.ToByteArray().AsSpan().SequenceEqual(after.ToByteArray()) ? null : Part(before, after);
    }

    private static string Part(ModelProto before, ModelProto after)
    {
        var (lost, graph) = (new List<string>(), (before.Graph, after.Graph));
        if (!graph.Item1.Node.Equals(graph.Item2.Node))
            lost.Add("nodes");
        if (!graph.Item1.Initializer.Equals(graph.Item2.Initializer))
            lost.Add("initializers");
        if (!graph.Item1.Input.Equals(graph.Item2.Input))
            lost.Add("inputs");
        if (before.IrVersion != after.IrVersion)
            lost.Add("IR version");
        return lost.Count == 0 ? "something beside nodes, initializers and inputs differs" : string.Join(", ", lost) + " differ";
    }
}
