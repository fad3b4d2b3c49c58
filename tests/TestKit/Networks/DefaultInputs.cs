using Google.Protobuf;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.TestKit.Networks;

/// <summary>Lists initializers as graph inputs too, as files before IR version 4 must.</summary>
internal static class DefaultInputs
{
    public static OnnxModel Declare(OnnxModel model, IEnumerable<Tensor> tensors)
    {
        var proto = ModelProto.Parser.ParseFrom(model.ToBytes());
        foreach (var tensor in tensors)
            proto.Graph.Input.Add(new GraphValue(tensor.Name, tensor.ElementType, tensor.Shape).Proto);
        return OnnxModel.Load(proto.ToByteArray());
    }
}
