using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Networks;

/// <summary>All generated networks by name.</summary>
public static class Topologies
{
    private static readonly Dictionary<string, Func<NetworkStyle, OnnxModel>> s_all = new(StringComparer.Ordinal)
    {
        ["alexnet"] = ConvolutionalNetworks.AlexNet,
        ["vgg"] = ConvolutionalNetworks.Vgg,
        ["squeezenet"] = ConvolutionalNetworks.SqueezeNet,
        ["densenet"] = ConvolutionalNetworks.DenseNet,
        ["inception"] = ConvolutionalNetworks.Inception,
        ["shufflenet"] = ConvolutionalNetworks.ShuffleNet,
        ["mobilenet"] = ConvolutionalNetworks.MobileNet,
        ["unet"] = ConvolutionalNetworks.UNet,
        ["yolo"] = ConvolutionalNetworks.Yolo,
        ["paddings"] = ConvolutionalNetworks.Paddings,
        ["encoder"] = TransformerNetworks.Encoder,
        ["decoder"] = TransformerNetworks.Decoder,
        ["vision-transformer"] = TransformerNetworks.Vision,
    };

    public static IEnumerable<string> Names => s_all.Keys;

    public static OnnxModel Build(string name, NetworkStyle style) => s_all[name](style);
}
