using Orchestrator.Jobs.Outlines;

namespace Orchestrator.Jobs.Plans;

/// <summary>What planning needs to know of a data file: its digest and its arrays' names, types and shapes, not their content.</summary>
/// <param name="File">The path as the recipe writes it; for messages.</param>
/// <param name="Arrays">Shape[0] is the number of samples. An array called <c>labels</c> feeds no input.</param>
public sealed record DataHeader(string File, SourceBlob Blob, IReadOnlyList<TensorOutline> Arrays)
{
    public const string Labels = "labels";

    public bool HasLabels => Arrays.Any(a => a.Name == Labels);

    /// <summary>Samples that every array has.</summary>
    /// <exception cref="InputException">More than can be counted; an array without elements may claim any number.</exception>
    public int Samples => Arrays.Count == 0 ? 0 : Arrays.Min(a => a.Shape.Count == 0 ? 0 : a.Shape[0]) is <= int.MaxValue and var samples
        ? (int)samples
        : throw new InputException("data-shape", File, $"The file claims more than {int.MaxValue} samples.", "Give fewer samples; a few hundred are enough.");
}

/// <summary>A blob that no unit made: the model file or a data file, by content.</summary>
/// <param name="Sha256">Hex digest.</param>
public sealed record SourceBlob(string Sha256, long Length);
