using Orchestrator.Onnx;

namespace Orchestrator.Compression.Models;

/// <summary>Takes large weights out of memory while a model is put together: they go into a scratch file and are mapped from there.</summary>
public sealed class ExternalWeights : IDisposable
{
    /// <summary>The file with a written model's large weights, beside <c>model.onnx</c>.</summary>
    public const string FileName = "model.onnx.data";

    private readonly string _path = Path.GetTempFileName();
    private long _length;

    /// <summary>Moves every large initializer that lies in memory.</summary>
    public void MoveOut(OnnxModel model)
    {
        var large = model.Graph.Initializers.Where(t => t.Mapped is null && t.ElementType != ElementType.Text && t.ByteCount >= ExternalLayout.MinBytes).ToList();
        foreach (var tensor in large)
        {
            using (var file = new FileStream(_path, FileMode.Append))
                tensor.CopyTo(file);
            var mapped = new MappedBytes(() => File.OpenHandle(_path), _length, (int)tensor.ByteCount, tensor.Name);
            model.Graph.ReplaceInitializer(tensor.Name, Tensor.FromFile(tensor.Name, tensor.ElementType, tensor.Shape, mapped));
            _length += tensor.ByteCount;
        }
    }

    public void Dispose() => File.Delete(_path);
}
