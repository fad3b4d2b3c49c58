namespace Orchestrator.Onnx.Reading;

/// <summary>
/// The parts of external files that tensors claim. Two tensors may share a part, which is how weights are tied; parts that overlap otherwise
/// make many tensors of few bytes and are refused.
/// </summary>
internal sealed class ExternalRanges
{
    private readonly Dictionary<string, HashSet<(long Offset, long Length)>> _ranges = new(StringComparer.Ordinal);

    /// <summary>Whether the part is new.</summary>
    public bool Add(string path, long offset, long length)
    {
        if (!_ranges.TryGetValue(path, out var ranges))
            _ranges.Add(path, ranges = []);
        return ranges.Add((offset, length));
    }

    /// <exception cref="OnnxException">Two parts of one file overlap and are not the same.</exception>
    public void Check()
    {
        foreach (var (path, ranges) in _ranges)
        {
            var last = (Offset: 0L, Length: 0L);
            foreach (var range in ranges.Where(r => r.Length > 0).Order())
            {
                if (range.Offset < last.Offset + last.Length)
                    throw new OnnxException(
                        Path.GetFileName(path),
                        $"tensors claim overlapping parts of the external file: bytes {last.Offset} to {last.Offset + last.Length} and {range.Offset} to {range.Offset + range.Length}");
                last = range;
            }
        }
    }
}
