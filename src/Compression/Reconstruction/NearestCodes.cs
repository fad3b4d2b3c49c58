using Orchestrator.Compression.Grids;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>A layer before it is tuned: every weight at the nearest level of its row's grid.</summary>
public static class NearestCodes
{
    /// <summary>Quantizes a layer of a model where it stands.</summary>
    /// <param name="keepsZeros">Whether zeros are a mask to keep.</param>
    public static void Write(Layer layer, int bits, GridKind grid, QuantizationScheme scheme, bool keepsZeros) =>
        LayerMatrix.Write(layer, Of(layer, bits, grid, scheme, keepsZeros));

    /// <returns>[rows × columns].</returns>
    internal static float[] Of(Layer layer, int bits, GridKind grid, QuantizationScheme scheme, bool keepsZeros)
    {
        using var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
        var rounding = new SoftRounding(weights, GridFit.Rows(weights, bits, grid, scheme), keepsZeros);
        return rounding.Values(rounding.Nearest());
    }
}
