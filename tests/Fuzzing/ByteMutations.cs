using System.Buffers.Binary;
using System.Text;

namespace Orchestrator.Fuzzing;

/// <summary>Mutations that know no format, and draws that the others share.</summary>
internal static class ByteMutations
{
    /// <summary>Larger inputs only cost time; what is built from repetition has tests of its own.</summary>
    public const int MaxInput = 1 << 16;

    /// <summary>Numbers at which readers break: bounds of types, signs, and what overflows when multiplied or added.</summary>
    public static readonly long[] Numbers =
    [
        0, 1, -1, 2, -2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 65, 100, 127, 128, 255, 256, 1000, 1023, 1024, 1025, 4096, 65535, 65536, 1_000_000, 1_000_001,
        int.MaxValue, int.MinValue, int.MaxValue + 1L, uint.MaxValue, uint.MaxValue + 1L, 1L << 40, 1L << 53, 1L << 61, 1L << 62, long.MaxValue - 1,
        long.MaxValue, long.MinValue, long.MinValue + 1, long.MaxValue / 2, long.MaxValue / 3,
    ];

    public static byte[] Mutate(byte[] input, byte[] other, Random random)
    {
        var bytes = new List<byte>(input);
        for (var left = random.Next(1, 5); left > 0; left--)
            Once(bytes, other, random);
        return [.. bytes.Take(MaxInput)];
    }

    /// <summary>Near <paramref name="value"/>, or one of <see cref="Numbers"/>, or anything.</summary>
    public static long Number(Random random, long value) => random.Next(6) switch
    {
        0 => unchecked(value + random.Next(-2, 3)),
        1 => random.NextInt64(long.MinValue, long.MaxValue),
        2 => random.Next(-4, 40),
        3 => value ^ (1L << random.Next(64)),
        _ => Numbers[random.Next(Numbers.Length)],
    };

    public static T Pick<T>(this Random random, IReadOnlyList<T> items) => items[random.Next(items.Count)];

    public static bool OneIn(this Random random, int count) => random.Next(count) == 0;

    /// <summary>Takes out, doubles, swaps or replaces characters and numbers of a text, or puts one of <paramref name="words"/> into it.</summary>
    public static string Text(string text, string other, IReadOnlyList<string> words, Random random)
    {
        var builder = new StringBuilder(text);
        for (var left = random.Next(1, 4); left > 0; left--)
        {
            var at = random.Next(builder.Length + 1);
            var length = Math.Min(random.Next(1, 12), builder.Length - at);
            switch (random.Next(6))
            {
                case 0:
                    builder.Remove(at, length);
                    break;
                case 1:
                    builder.Insert(at, random.Pick(words));
                    break;
                case 2:
                    builder.Remove(at, length).Insert(at, random.Pick(words));
                    break;
                case 3:
                    builder.Insert(at, builder.ToString(at, length));
                    break;
                case 4 when other.Length > 0:
                    var from = random.Next(other.Length);
                    builder.Insert(at, other.AsSpan(from, Math.Min(random.Next(1, 60), other.Length - from)));
                    break;
                default:
                    builder.Insert(at, Number(random, 0));
                    break;
            }
        }
        return builder.ToString();
    }

    private static void Once(List<byte> bytes, byte[] other, Random random)
    {
        var at = random.Next(bytes.Count + 1);
        var length = Math.Min(random.Next(1, 17), bytes.Count - at);
        switch (random.Next(7))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;
            case 4 when other.Length > 0:
                var from = random.Next(other.Length);
                bytes.InsertRange(at, other.AsSpan(from, Math.Min(random.Next(1, 200), other.Length - from)).ToArray());
                break;
            case 5:
                var number = new byte[8];
                BinaryPrimitives.WriteInt64LittleEndian(number, Number(random, 0));
                bytes.RemoveRange(at, Math.Min(length, 8));
                bytes.InsertRange(at, number.AsSpan(0, 1 << random.Next(4)).ToArray());
                break;
            default:
                bytes.RemoveRange(at, bytes.Count - at);
                break;
        }
    }
}
