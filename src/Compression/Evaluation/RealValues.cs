using System.Buffers.Binary;
using Orchestrator.Jobs;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Evaluation;

/// <summary>Outputs as float32, whatever real type the model computes in.</summary>
internal static class RealValues
{
    /// <summary>The elements; without a copy where they are float32.</summary>
    /// <param name="name">What messages call the value.</param>
    /// <exception cref="InputException">The value holds no real numbers.</exception>
    public static ReadOnlySpan<float> Of(OrtValue value, string name)
    {
        switch (value.IsTensor ? value.ElementType : ElementType.Undefined)
        {
            case ElementType.Float:
                return value.AsSpan<float>();
            case ElementType.Double:
                return Array.ConvertAll(value.AsSpan<double>().ToArray(), element => (float)element);
            case ElementType.Float16:
                return Array.ConvertAll(value.AsSpan<Half>().ToArray(), element => (float)element);
            case ElementType.BFloat16:
                return BFloat16(value.AsBytes());
            default:
                throw new InputException(
                    "output-type", name, $"The output '{name}' is {(value.IsTensor ? value.ElementType : "no tensor")}; a metric needs real numbers.",
                    "Export the model with its scores as the first output.");
        }
    }

    private static float[] BFloat16(ReadOnlySpan<byte> bytes)
    {
        var values = new float[bytes.Length / 2];
        for (var i = 0; i < values.Length; i++)
            values[i] = BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16);
        return values;
    }
}
