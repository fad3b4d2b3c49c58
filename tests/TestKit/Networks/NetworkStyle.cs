using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Networks;

/// <summary>Where exporters leave a weight.</summary>
public enum WeightPlace
{
    Initializer = 0,

    /// <summary>An initializer that the graph lists as an input too, as files before IR version 4 do.</summary>
    Input = 1,

    /// <summary>A Constant node, as paddle2onnx writes them.</summary>
    ConstantNode = 2,

    /// <summary>An initializer behind an Identity node, as PyTorch leaves shared ones.</summary>
    Identity = 3,

    /// <summary>A float16 initializer behind a Cast to float32.</summary>
    CastHalf = 4,

    /// <summary>A bfloat16 initializer behind a Cast to float32.</summary>
    CastBFloat16 = 5,

    /// <summary>Stored with its axes reversed, behind a Transpose.</summary>
    Transposed = 6,

    /// <summary>Stored as a vector, behind a Reshape.</summary>
    Flat = 7,
}

/// <summary>The dialect a network is written in.</summary>
public sealed record NetworkStyle
{
    public int Opset { get; init; } = 17;

    /// <summary>Type of weights and activations: float32, float16 or float64.</summary>
    public ElementType Type { get; init; } = ElementType.Float32;

    public WeightPlace Weights { get; init; }

    /// <summary>Samples a run; -1 leaves it open.</summary>
    public long Batch { get; init; } = -1;

    public int Seed { get; init; } = 1;

    public override string ToString() => $"opset {Opset}, {Type.OnnxName()}, {Weights}";
}
