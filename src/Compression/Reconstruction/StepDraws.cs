namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// What is drawn at a step: the minibatch, and which elements of activations stay in float (QDrop). Functions of seed and step alone, so that a
/// state to go on from holds no generator.
/// </summary>
internal static class StepDraws
{
    // The generator's increment (2^64 over the golden ratio, made odd) keeps the streams of neighbouring steps apart.
    private const ulong Increment = 0x9E3779B97F4A7C15;
    private const ulong MinibatchStream = 1;
    private const ulong MaskStream = 2;

    /// <summary>Distinct samples, in the order drawn.</summary>
    /// <param name="samples">Of the calibration set.</param>
    /// <param name="into">As many as a step takes; at most <paramref name="samples"/>.</param>
    public static void Minibatch(ulong seed, int step, int samples, Span<int> into)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(into.Length, samples, nameof(into));
        var origin = Origin(seed, step, MinibatchStream);
        var moved = new Dictionary<int, int>();
        for (var i = 0; i < into.Length; i++)
        {
            // Fisher and Yates's shuffle, of which only what was moved is kept.
            var j = i + (int)Math.BigMul(At(origin, (ulong)i), (ulong)(samples - i), out _);
            into[i] = moved.GetValueOrDefault(j, j);
            moved[j] = moved.GetValueOrDefault(i, i);
        }
    }

    /// <summary>1 where an element is quantized, 0 where it stays in float.</summary>
    /// <param name="activation">Number of the activation within the group.</param>
    /// <param name="drop">Chance of staying in float.</param>
    public static void Mask(ulong seed, int step, int activation, double drop, Span<float> into)
    {
        var origin = Origin(Origin(seed, step, MaskStream), activation, MaskStream);
        for (var i = 0; i < into.Length; i++)
            into[i] = (At(origin, (ulong)i) >> 11) * (1.0 / (1UL << 53)) < drop ? 0 : 1;
    }

    private static ulong Origin(ulong seed, int step, ulong stream) => At(At(seed, stream), (ulong)step);

    /// <summary>A number of SplitMix64's sequence (Steele, Lea and Flood 2014), by its place.</summary>
    private static ulong At(ulong origin, ulong place)
    {
        var z = origin + (place + 1) * Increment;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
