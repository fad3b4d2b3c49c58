using System.Runtime.InteropServices;
using System.Text;

namespace Orchestrator.TestKit.Models;

/// <summary>Random token sequences as a NumPy file.</summary>
public static class TokenFile
{
    private const int Alignment = 64;
    private const int Preamble = 10;

    /// <summary>int64 [sequences × tokens].</summary>
    public static void Write(string path, DecoderShape shape, int sequences, int seed = 2)
    {
        var random = new Random(seed);
        var tokens = new long[sequences * shape.Tokens];
        for (var i = 0; i < tokens.Length; i++)
            tokens[i] = random.Next(shape.Vocabulary);
        var header = $"{{'descr': '<i8', 'fortran_order': False, 'shape': ({sequences}, {shape.Tokens}), }}";
        header = header.PadRight(Alignment - Preamble - 1 + (header.Length + Preamble) / Alignment * Alignment) + "\n";
        using var file = File.Create(path);
        file.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, (byte)(header.Length >> 8)]);
        file.Write(Encoding.ASCII.GetBytes(header));
        file.Write(MemoryMarshal.AsBytes(tokens.AsSpan()));
    }
}
