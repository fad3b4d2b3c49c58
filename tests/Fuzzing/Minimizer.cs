namespace Orchestrator.Fuzzing;

/// <summary>Makes a failing input smaller as long as it still fails the same way.</summary>
internal static class Minimizer
{
    /// <param name="fails">Whether an input still fails.</param>
    /// <param name="tries">Most calls of <paramref name="fails"/>.</param>
    public static byte[] Shrink(byte[] input, Func<byte[], bool> fails, int tries)
    {
        var best = input;
        for (var size = Math.Max(1, best.Length / 2); size >= 1 && tries > 0; size /= 2)
        {
            for (var at = 0; at < best.Length && tries > 0;)
            {
                byte[] candidate = [.. best.AsSpan(0, at), .. best.AsSpan(Math.Min(best.Length, at + size))];
                tries--;
                if (candidate.Length < best.Length && fails(candidate))
                    best = candidate;
                else
                    at += size;
            }
        }
        return best;
    }
}
