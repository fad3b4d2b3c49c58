namespace Orchestrator.Onnx.Passes;

/// <summary>What a pass does to the model it is given.</summary>
[Flags]
public enum PassEffect
{
    /// <summary>The model is only read.</summary>
    None = 0,

    /// <summary>Nodes are added, removed or rewired.</summary>
    Nodes = 1,

    /// <summary>Stored tensors are added or removed, or other nodes read them; no number changes.</summary>
    Constants = 2,

    /// <summary>Numbers in stored tensors change; the model computes the same function up to rounding.</summary>
    Weights = 4,

    /// <summary>The operator set's version rises.</summary>
    Opset = 8,
}

/// <summary>Graph in, graph out. Inputs and outputs of the model keep their names, whatever the pass does.</summary>
public interface IPass
{
    string Name { get; }

    /// <summary>All that the pass may do; <see cref="PassRunner"/> checks it.</summary>
    PassEffect Effect { get; }

    /// <summary>Whether the model was changed.</summary>
    bool Run(OnnxModel model);
}
