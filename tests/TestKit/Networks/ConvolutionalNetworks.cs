using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Networks;

/// <summary>The graphs of well-known convolutional networks, a few channels wide, with random weights. Input [N, 3, 32, 32].</summary>
public static class ConvolutionalNetworks
{
    private const int Side = 32;
    private const int Classes = 10;

    public static OnnxModel AlexNet(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.MaxPool(Lrn(net, net.Relu(net.Conv(x, 3, 8, 5, stride: 2))), 3, 2);
        x = net.MaxPool(net.Relu(net.Conv(x, 8, 12, 5, groups: 2)), 3, 2);
        x = net.Relu(net.Conv(net.Relu(net.Conv(x, 12, 16, 3)), 16, 12, 3, groups: 2));
        x = net.Flatten(x);
        return net.Build(net.Linear(net.Relu(net.Linear(x, 12 * 3 * 3, 24)), 24, Classes));
    }

    public static OnnxModel Vgg(NetworkStyle style)
    {
        var (net, x) = Start(style);
        var from = 3;
        foreach (var to in new[] { 6, 8, 12 })
        {
            x = net.Relu(net.Conv(net.Relu(net.Conv(x, from, to, 3)), to, to, 3));
            x = net.MaxPool(x, 2, 2);
            from = to;
        }

        return net.Build(net.Linear(net.Relu(net.Linear(net.Flatten(x), 12 * 4 * 4, 32)), 32, Classes));
    }

    public static OnnxModel SqueezeNet(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.MaxPool(net.Relu(net.Conv(x, 3, 8, 3, stride: 2)), 3, 2);
        foreach (var from in new[] { 8, 16 })
        {
            var squeezed = net.Relu(net.Conv(x, from, 4, 1));
            x = net.Concat(net.Relu(net.Conv(squeezed, 4, 8, 1)), net.Relu(net.Conv(squeezed, 4, 8, 3)));
        }

        return net.Build(net.GlobalPool(net.Relu(net.Conv(x, 16, Classes, 1))));
    }

    public static OnnxModel DenseNet(NetworkStyle style)
    {
        const int Growth = 4;
        var (net, x) = Start(style);
        x = net.Conv(x, 3, 8, 3, stride: 2, bias: false);
        var channels = 8;
        for (var layer = 0; layer < 3; layer++, channels += Growth)
        {
            var bottleneck = net.Conv(net.Relu(net.BatchNorm(x, channels)), channels, 8, 1, bias: false);
            x = net.Concat(x, net.Conv(net.Relu(net.BatchNorm(bottleneck, 8)), 8, Growth, 3, bias: false));
        }

        x = net.AveragePool(net.Conv(net.Relu(net.BatchNorm(x, channels)), channels, 8, 1, bias: false), 2, 2);
        return net.Build(net.Linear(net.GlobalPool(net.Relu(net.BatchNorm(x, 8))), 8, Classes));
    }

    public static OnnxModel Inception(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.MaxPool(net.Relu(net.ConvBn(x, 3, 8, 3, stride: 2)), 3, 2, pad: 1);
        x = net.Concat(
            net.Relu(net.ConvBn(x, 8, 4, 1)),
            net.Relu(net.ConvBn(net.Relu(net.ConvBn(x, 8, 4, 1)), 4, 6, 3)),
            net.Relu(net.ConvBn(net.Relu(net.ConvBn(x, 8, 2, 1)), 2, 4, 5)),
            net.Relu(net.ConvBn(net.MaxPool(x, 3, 1, pad: 1), 8, 4, 1)));
        return net.Build(net.Linear(net.GlobalPool(x), 18, Classes));
    }

    public static OnnxModel ShuffleNet(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.Relu(net.ConvBn(x, 3, 8, 3, stride: 2));
        for (var unit = 0; unit < 2; unit++)
        {
            var halves = net.Split(x, 1, 4, 4);
            var branch = net.Relu(net.ConvBn(halves[1], 4, 4, 1));
            branch = net.Relu(net.ConvBn(net.ConvBn(branch, 4, 4, 3, groups: 4), 4, 4, 1));
            x = Shuffle(net, net.Concat(halves[0], branch));
        }

        return net.Build(net.Linear(net.GlobalPool(x), 8, Classes));
    }

    /// <summary>Inverted residuals with depthwise convolutions and ReLU6.</summary>
    public static OnnxModel MobileNet(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.Relu6(net.ConvBn(x, 3, 8, 3, stride: 2));
        for (var block = 0; block < 2; block++)
        {
            var wide = net.Relu6(net.ConvBn(x, 8, 16, 1));
            x = net.Add(x, net.ConvBn(net.Relu6(net.ConvBn(wide, 16, 16, 3, groups: 16)), 16, 8, 1));
        }

        return net.Build(net.Linear(net.GlobalPool(x), 8, Classes));
    }

    /// <summary>Down and up again with skips: one step by Resize and convolution, one by ConvTranspose.</summary>
    public static OnnxModel UNet(NetworkStyle style)
    {
        var (net, x) = Start(style);
        var first = net.Relu(net.ConvBn(x, 3, 6, 3));
        var second = net.Relu(net.ConvBn(net.MaxPool(first, 2, 2), 6, 8, 3));
        var deep = net.Relu(net.ConvBn(net.MaxPool(second, 2, 2), 8, 12, 3));
        var up = net.Relu(net.Conv(net.Concat(net.Upsample(deep, "nearest"), second), 20, 8, 3));
        return net.Build(net.Conv(net.Concat(net.ConvTranspose(up, 8, 6), first), 12, 2, 1));
    }

    /// <summary>SiLU, split and concatenated branches, pooled pyramids and two scales, as the YOLO detectors have.</summary>
    public static OnnxModel Yolo(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.Silu(net.ConvBn(net.Silu(net.ConvBn(x, 3, 8, 3, stride: 2)), 8, 8, 3, stride: 2));
        var halves = net.Split(net.Silu(net.ConvBn(x, 8, 8, 1)), 1, 4, 4);
        var inner = net.Add(halves[1], net.Silu(net.ConvBn(net.Silu(net.ConvBn(halves[1], 4, 4, 3)), 4, 4, 3)));
        var fine = net.Silu(net.ConvBn(net.Concat(halves[0], halves[1], inner), 12, 8, 1));
        var coarse = net.Silu(net.ConvBn(fine, 8, 8, 3, stride: 2));
        var pooled = net.MaxPool(coarse, 5, 1, pad: 2);
        coarse = net.Silu(net.ConvBn(net.Concat(coarse, pooled, net.MaxPool(pooled, 5, 1, pad: 2)), 24, 8, 1));
        fine = net.Silu(net.ConvBn(net.Concat(net.Upsample(coarse, "nearest"), fine), 16, 8, 1));
        string Head(string level) => net.Graph.Reshape(net.Conv(level, 8, 6, 1), 0, 6, -1);
        return net.Build(net.Graph.Add("Sigmoid", [net.Graph.Concat(2, Head(fine), Head(coarse))]));
    }

    /// <summary>Strides, dilations and <c>auto_pad</c> of every kind.</summary>
    public static OnnxModel Paddings(NetworkStyle style)
    {
        var (net, x) = Start(style);
        x = net.Relu(net.Conv(x, 3, 6, 3, stride: 2, autoPad: "SAME_UPPER"));
        x = net.Relu(net.Conv(x, 6, 6, 4, stride: 1, autoPad: "SAME_LOWER"));
        x = net.Relu(net.Conv(x, 6, 8, 3, autoPad: "VALID"));
        return net.Build(net.Linear(net.GlobalPool(net.Conv(x, 8, 8, 3, dilation: 2, groups: 2)), 8, Classes));
    }

    private static (NetworkBuilder Net, string X) Start(NetworkStyle style)
    {
        var net = new NetworkBuilder(style);
        return (net, net.Input("x", 3, Side, Side));
    }

    private static string Lrn(NetworkBuilder net, string x) =>
        net.Style.Type == ElementType.Float32 ? net.Graph.Add("LRN", [x], NodeAttribute.Int("size", 3)) : x;

    private static string Shuffle(NetworkBuilder net, string x)
    {
        var grouped = net.Graph.Reshape(x, 0, 2, 4, Side / 2, Side / 2);
        return net.Graph.Reshape(net.Graph.Transpose(grouped, 0, 2, 1, 3, 4), 0, 8, Side / 2, Side / 2);
    }
}
