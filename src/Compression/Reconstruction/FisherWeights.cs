namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// How much each element of a group's output counts in its loss (algorithms.md 3.6), from the gradient of the task's loss there: an entry of the
/// diagonal Fisher information.
/// </summary>
internal static class FisherWeights
{
    /// <summary>Share of the mean that every element gets, so that none is without weight.</summary>
    private const double Floor = 0.1;

    /// <summary>
    /// (g² + ε·mean) / ((1 + ε)·mean), 1 in a sample's mean, so that λ keeps its meaning; 1 everywhere where the gradient vanishes. With the mean over all samples, as algorithms.md
    /// has it, a few samples take almost all of the weight (infra/docs/results.md) and the group is fitted to them.
    /// </summary>
    /// <param name="gradients">Of one sample, all elements of the group's output.</param>
    /// <param name="into">As long as <paramref name="gradients"/>; may be the same memory.</param>
    public static void Normalized(ReadOnlySpan<float> gradients, Span<float> into)
    {
        var mean = MeanSquare(gradients);
        for (var i = 0; i < gradients.Length; i++)
            into[i] = mean == 0 ? 1 : (float)(((double)gradients[i] * gradients[i] / mean + Floor) / (1 + Floor));
    }

    /// <summary>(|g| + 1)², as the original code has it; with gradients of a batch's mean loss it is nearly constant.</summary>
    /// <param name="gradients">Of a sum over samples.</param>
    /// <param name="batch">Samples that the original takes the mean of.</param>
    public static void Original(ReadOnlySpan<float> gradients, int batch, Span<float> into)
    {
        for (var i = 0; i < gradients.Length; i++)
        {
            var weight = MathF.Abs(gradients[i]) / batch + 1;
            into[i] = weight * weight;
        }
    }

    /// <summary>Mean of squares, in double, in order.</summary>
    private static double MeanSquare(ReadOnlySpan<float> gradients)
    {
        var sum = 0.0;
        foreach (var g in gradients)
            sum += (double)g * g;
        return sum / Math.Max(1, gradients.Length);
    }
}
