using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>
/// Quantization of an activation in float behind what computes it: s·clip(round(x/s), −z, n − z), which is s·(clip(round(x/s) + z, 0, n) − z) without
/// the way over z, whole numbers being exact. With straight-through Round and Clip its gradient is LSQ's (algorithms.md 3.7).
/// </summary>
/// <remarks>
/// The quantized value takes the name of the float one, which gets another: all who read the value by its name, outputs of the graph, captures and
/// boundaries included, get the quantized one. So boundaries and places are to be looked for before.
/// </remarks>
public static class FakeQuantization
{
    /// <summary>First operator set with Round, and with bounds of Clip as inputs.</summary>
    private const int FirstOpset = 11;

    /// <param name="model">Changed; its operator set is raised where it has no Round yet.</param>
    /// <param name="scale">A scalar of the graph: the step size, constant or trained.</param>
    /// <param name="zero">The code of 0.</param>
    /// <param name="mask">A float value of the same shape, 0 where an element stays in float; null quantizes all of them.</param>
    /// <returns>The new name of the float value.</returns>
    /// <exception cref="OnnxException">The model computes no such value, or its operator set is too old and cannot be raised.</exception>
    public static string Insert(OnnxModel model, string value, string scale, int zero, int bits, string? mask = null)
    {
        if (model.Opset < FirstOpset)
            OpsetUpgrade.Raise(model, OpsetUpgrade.MinTarget);
        var graph = model.Graph;
        var raw = graph.MoveAside(value);
        var b = GraphBuilder.Edit(model);
        var code = b.Add("Clip", [b.Add("Round", [b.Binary("Div", raw, scale)]), b.Scalar(-zero), b.Scalar((1 << bits) - 1 - zero)]);
        graph.Add(mask is null
            ? new Node("Mul", $"{value}/fake-quantized", [code, scale], [value])
            : new Node("Where", $"{value}/partly-quantized", [b.Cast(mask, ElementType.Bool), b.Binary("Mul", code, scale), raw], [value]));
        graph.Sort();
        return raw;
    }

    /// <summary>Quantizes values on grids that stay as they are.</summary>
    /// <inheritdoc cref="Insert(OnnxModel, string, string, int, int, string?)"/>
    public static void Insert(OnnxModel model, IEnumerable<ActivationGrid> grids)
    {
        foreach (var grid in grids)
            Insert(model, grid.Value, GraphBuilder.Edit(model).Scalar(grid.Scale), grid.Zero, grid.Bits);
    }
}
