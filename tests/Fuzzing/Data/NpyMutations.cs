using System.Text;

namespace Orchestrator.Fuzzing.Data;

/// <summary>Mutations of an .npy file: its header's text with a length that agrees or lies, and its elements.</summary>
internal static class NpyMutations
{
    private static readonly string[] s_words =
    [
        "'descr'", "'shape'", "'fortran_order'", "True", "False", "None", "'<f4'", "'<f8'", "'<f2'", "'>f4'", "'|u1'", "'|i1'", "'|b1'", "'<i8'", "'|O'", "'<U8'",
        "'<c16'", "[('a', '<f4')]", "(", ")", "((((((", "[", "]", "{", "}", ",", ", ,", ":", "'", "\"", "-1", "0", "1e3", "2**62", "9223372036854775807",
        "4611686018427387904", "0x10", "1_000", " ", "\n", "\t", "\0", "é", "__import__('os')", "lambda: 0",
    ];

    public static byte[] Mutate(byte[] input, byte[] other, Random random)
    {
        if (random.OneIn(4) || Header(input) is not { } header)
            return ByteMutations.Mutate(input, other, random);
        var text = Encoding.UTF8.GetString(input.AsSpan(header));
        var donor = Header(other) is { } given ? Encoding.UTF8.GetString(other.AsSpan(given)) : "";
        var changed = Encoding.UTF8.GetBytes(ByteMutations.Text(text, donor, s_words, random));
        var version = random.OneIn(10) ? (byte)random.Next(256) : input[6];
        var length = random.OneIn(10) ? (int)ByteMutations.Number(random, changed.Length) : changed.Length;
        byte[] lengthField = version is 2 or 3 ? BitConverter.GetBytes(length) : BitConverter.GetBytes(unchecked((ushort)length));
        byte[] bytes = [.. input.AsSpan(0, 6), version, 0, .. lengthField, .. changed, .. input.AsSpan(header.End.Value)];
        return random.OneIn(5) ? ByteMutations.Mutate(bytes, other, random) : bytes;
    }

    private static Range? Header(byte[] bytes)
    {
        if (bytes.Length < 10 || bytes[6] != 1)
            return null;
        var end = 10 + BitConverter.ToUInt16(bytes, 8);
        return end <= bytes.Length ? 10..end : null;
    }
}
