namespace Orchestrator.Numerics.Tests;

/// <summary>Every kernel width this machine has, so that each test runs through all of them.</summary>
public sealed class Widths : TheoryData<KernelWidth>
{
    public Widths()
    {
        foreach (var width in KernelWidths.Supported)
            Add(width);
    }
}
