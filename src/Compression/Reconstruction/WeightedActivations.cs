using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>Activations whose gradients are read as what they come to in the loss: the weights of algorithms.md 3.6.</summary>
public sealed class WeightedActivations : IActivationSource
{
    /// <summary>Samples whose mean loss the original's gradients are of.</summary>
    private const int OriginalBatch = 32;

    private readonly IActivationSource _source;
    private readonly string _gradient;
    private readonly ReconstructionLoss _loss;

    private WeightedActivations(IActivationSource source, string gradient, ReconstructionLoss loss) => (_source, _gradient, _loss) = (source, gradient, loss);

    public int Samples => _source.Samples;

    /// <summary>The source itself where the loss weights nothing.</summary>
    /// <exception cref="KeyNotFoundException">The source has no gradients.</exception>
    public static IActivationSource Of(IActivationSource source, GroupBoundary boundary, ReconstructionLoss loss) =>
        boundary.Gradient is { } gradient ? new WeightedActivations(source, gradient, loss) : source;

    public int ElementsOf(string value) => _source.ElementsOf(value);

    public void Read(int sample, string value, Span<float> into)
    {
        _source.Read(sample, value, into);
        if (value != _gradient)
            return;
        if (_loss == ReconstructionLoss.Fisher)
            FisherWeights.Normalized(into, into);
        else
            FisherWeights.Original(into, OriginalBatch, into);
    }
}
