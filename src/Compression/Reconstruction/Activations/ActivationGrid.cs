using System.Text.Json.Serialization;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>A quantized activation: xq = s·(clip(round(x/s) + z, 0, 2^bits − 1) − z), one grid for the whole value (algorithms.md 3.7).</summary>
/// <param name="Value">Its name in the prepared model.</param>
/// <param name="Bits">2 to 8.</param>
/// <param name="Scale">The step size s; finite and above 0.</param>
/// <param name="Zero">The code z of 0, 0 to 2^bits − 1; never tuned.</param>
public sealed record ActivationGrid(string Value, int Bits, float Scale, int Zero)
{
    [JsonIgnore]
    public int MaximumCode => (1 << Bits) - 1;
}
