using System.Text;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// A reconstruction on its way, from which it goes on to the same bytes as if it had never stopped: values and moments of what is trained, and the
/// curve so far. What is drawn at a step depends on seed and step alone and is no part of it.
/// </summary>
/// <param name="Step">Steps done.</param>
/// <param name="Tensors">By name.</param>
/// <param name="OpenLoss">Sum of the losses since the curve's last point, as <paramref name="OpenPenalty"/> is of penalties.</param>
public sealed record ReconstructionState(
    int Step, IReadOnlyDictionary<string, float[]> Tensors, IReadOnlyList<CurvePoint> Curve, double OpenLoss, double OpenPenalty, int OpenSteps)
{
    private const int Format = 1;

    /// <summary>Little-endian, tensors in the order of their names: equal states have equal bytes.</summary>
    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream, Encoding.UTF8);
        writer.Write(Format);
        writer.Write(Step);
        writer.Write(OpenLoss);
        writer.Write(OpenPenalty);
        writer.Write(OpenSteps);
        writer.Write(Curve.Count);
        foreach (var point in Curve)
        {
            writer.Write(point.Iteration);
            writer.Write(point.Loss);
            writer.Write(point.Penalty);
        }

        writer.Write(Tensors.Count);
        foreach (var (name, values) in Tensors.OrderBy(t => t.Key, StringComparer.Ordinal))
        {
            writer.Write(name);
            writer.Write(values.Length);
            foreach (var value in values)
                writer.Write(value);
        }

        writer.Flush();
        return stream.ToArray();
    }

    /// <exception cref="InvalidDataException">It is no state, or one of another format.</exception>
    public static ReconstructionState Open(ReadOnlyMemory<byte> bytes)
    {
        using var stream = new MemoryStream(bytes.ToArray());
        using var reader = new BinaryReader(stream, Encoding.UTF8);
        try
        {
            if (reader.ReadInt32() is var format && format != Format)
                throw new InvalidDataException($"The state of the reconstruction has format {format}, and this program reads {Format}.");
            var (step, loss, penalty, steps) = (reader.ReadInt32(), reader.ReadDouble(), reader.ReadDouble(), reader.ReadInt32());
            var curve = new CurvePoint[Count(reader, sizeof(int) + 2 * sizeof(double))];
            for (var i = 0; i < curve.Length; i++)
                curve[i] = new CurvePoint(reader.ReadInt32(), reader.ReadDouble(), reader.ReadDouble());
            var tensors = new Dictionary<string, float[]>(StringComparer.Ordinal);
            for (var left = Count(reader, sizeof(byte) + sizeof(int)); left > 0; left--)
            {
                var name = reader.ReadString();
                var values = new float[Count(reader, sizeof(float))];
                for (var i = 0; i < values.Length; i++)
                    values[i] = reader.ReadSingle();
                if (!tensors.TryAdd(name, values))
                    throw new InvalidDataException($"The state of the reconstruction holds '{name}' twice.");
            }

            return stream.Position == stream.Length
                ? new ReconstructionState(step, tensors, curve, loss, penalty, steps)
                : throw new InvalidDataException("The state of the reconstruction goes on after its end.");
        }
        catch (EndOfStreamException e)
        {
            throw new InvalidDataException("The state of the reconstruction ends early.", e);
        }
    }

    /// <summary>A count that the rest of the bytes can hold, so that a damaged one allocates nothing.</summary>
    private static int Count(BinaryReader reader, int bytesEach)
    {
        var count = reader.ReadInt32();
        var left = reader.BaseStream.Length - reader.BaseStream.Position;
        return count >= 0 && (long)count * bytesEach <= left ? count : throw new InvalidDataException($"The state of the reconstruction claims {count} entries in {left} bytes.");
    }
}
