using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Untrusted bytes to a checked model.</summary>
internal static class ModelReader
{
    public static OnnxModel Read(string path)
    {
        try
        {
            using var file = RegularFile.Open(path);
            var size = RandomAccess.GetLength(file);
            if (size > OnnxModel.MaxBytes || size > Array.MaxLength)
                throw new OnnxException(path, $"the file has {size} bytes; at most {OnnxModel.MaxBytes} are supported");
            var bytes = GC.AllocateUninitializedArray<byte>((int)size);
            for (var done = 0; done < bytes.Length;)
            {
                var read = RandomAccess.Read(file, bytes.AsSpan(done), done);
                if (read == 0)
                    throw new OnnxException(path, "the file became shorter while it was read");
                done += read;
            }
            return Read(bytes, Path.GetDirectoryName(Path.GetFullPath(path)));
        }
        catch (FileNotFoundException e)
        {
            throw new OnnxException(path, "the file does not exist", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(path, $"the file cannot be read: {e.Message}", e);
        }
    }

    public static OnnxModel Read(ReadOnlySpan<byte> bytes, string? folder) => Read(bytes, new ExternalData(folder));

    public static OnnxModel Read(ReadOnlySpan<byte> bytes, ExternalData external)
    {
        WireCheck.Run(bytes);
        ModelProto model;
        try
        {
            model = ModelProto.Parser.ParseFrom(bytes);
        }
        catch (InvalidProtocolBufferException e)
        {
            throw new OnnxException("model", $"not a readable ONNX model: {e.Message}", e);
        }
        CheckHeader(model);
        FunctionCheck.Run(model);

        var check = new TensorCheck(external);
        check.Graph(model.Graph);
        foreach (var node in model.Functions.SelectMany(f => f.Node))
            check.Node(node);
        foreach (var training in model.TrainingInfo)
        {
            if (training.Initialization is not null)
                check.Graph(training.Initialization);
            if (training.Algorithm is not null)
                check.Graph(training.Algorithm);
        }
        external.CheckRanges();
        return new OnnxModel(model) { ExternalBytes = external.Bytes };
    }

    public static OperatorSetIdProto? DefaultOpset(ModelProto model) =>
        model.OpsetImport.FirstOrDefault(o => o.Domain is "" or "ai.onnx");

    private static void CheckHeader(ModelProto model)
    {
        if (model.Graph is null)
            throw new OnnxException("model", "not an ONNX model: it has no graph");
        if (model.Graph.Output.Count == 0)
            throw new OnnxException("model", "the graph has no outputs");
        var imports = model.OpsetImport.Count(o => o.Domain is "" or "ai.onnx");
        if (imports != 1)
            throw new OnnxException("model", $"the model imports ONNX's operator set {imports} times; exactly once is wanted");
        var opset = DefaultOpset(model)!.Version;
        if (opset is < OnnxModel.MinOpset or > OnnxModel.MaxOpset)
            throw new OnnxException("model", $"the model uses operator set {opset}; supported are {OnnxModel.MinOpset} to {OnnxModel.MaxOpset}");
    }
}
