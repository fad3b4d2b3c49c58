using Orchestrator.Compression.Reconstruction;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class FisherWeightsTests
{
    // Weights are float32.
    private const double Tolerance = 1e-6;

    private static readonly float[] s_gradients = [0, 1e-4f, -2e-4f, 5e-4f];

    [Fact]
    public void Normalized_weights_are_one_in_the_mean_and_keep_every_element()
    {
        var weights = new float[s_gradients.Length];
        FisherWeights.Normalized(s_gradients, weights);

        Assert.InRange(weights.Average(), 1 - Tolerance, 1 + Tolerance);
        Assert.InRange(weights[0], 0.1 / 1.1 - Tolerance, 0.1 / 1.1 + Tolerance);
        // g² of the last over the mean of (0, 1, 4, 25)e-8.
        Assert.InRange(weights[3], (25 / 7.5 + 0.1) / 1.1 - 4 * Tolerance, (25 / 7.5 + 0.1) / 1.1 + 4 * Tolerance);
    }

    [Fact]
    public void Without_a_gradient_all_elements_count_alike()
    {
        var weights = new float[3];
        FisherWeights.Normalized(new float[3], weights);
        Assert.Equal([1, 1, 1], weights);
    }

    [Fact]
    public void The_originals_weights_are_nearly_constant()
    {
        var weights = new float[3];
        FisherWeights.Original([0, -32, 32e-4f], 32, weights);
        Assert.Equal(1, weights[0]);
        Assert.Equal(4, weights[1]);
        Assert.InRange(weights[2], 1.0002 - Tolerance, 1.0002 + Tolerance);
    }
}
