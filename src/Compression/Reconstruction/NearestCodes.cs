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
    internal static float[] Of(Layer layer, int bits, GridKind grid, QuantizationScheme scheme, bool keepsZeros) =>
        Of(LayerMatrix.Read(layer), layer, bits, grid, scheme, keepsZeros);

    /// <param name="weights">[rows × columns].</param>
    /// <param name="layer">Of that shape.</param>
    /// <returns>[rows × columns].</returns>
    public static float[] Of(float[] weights, Layer layer, int bits, GridKind grid, QuantizationScheme scheme, bool keepsZeros)
    {
        using var matrix = Matrix<float>.FromRows(weights, layer.Rows, layer.Columns);
        var rounding = new SoftRounding(matrix, GridFit.Rows(matrix, bits, grid, scheme), keepsZeros);
        return rounding.Values(rounding.Nearest());
    }
}
