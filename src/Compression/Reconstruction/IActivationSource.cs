namespace Orchestrator.Compression.Reconstruction;

/// <summary>What enters and leaves a group, sample by sample in any order; never all of it in memory.</summary>
public interface IActivationSource
{
    public int Samples { get; }

    /// <summary>Elements of one sample of a value.</summary>
    /// <exception cref="KeyNotFoundException">There is no such value.</exception>
    public int ElementsOf(string value);

    /// <param name="sample">Of the calibration set, from 0.</param>
    /// <param name="into">As many elements as the value has.</param>
    public void Read(int sample, string value, Span<float> into);
}
