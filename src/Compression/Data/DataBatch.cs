using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Data;

/// <summary>Consecutive samples, ready to run.</summary>
/// <param name="First">Index of the first sample in the file.</param>
/// <param name="Count">Samples in this batch.</param>
/// <param name="Names">Names of the model inputs that <paramref name="Values"/> feed.</param>
/// <param name="Labels">The labels of these samples, sample after sample; empty where the file has none.</param>
public sealed record DataBatch(int First, int Count, IReadOnlyList<string> Names, IReadOnlyList<OrtValue> Values, long[] Labels) : IDisposable
{
    public void Dispose()
    {
        foreach (var value in Values)
            value.Dispose();
    }
}
