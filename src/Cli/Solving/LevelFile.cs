using System.IO.Compression;
using System.Runtime.InteropServices;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Solvers;

namespace Orchestrator.Cli.Solving;

/// <summary>
/// The candidates of a layer as an <c>.npz</c> file: <c>weights</c> float32 [levels × rows × columns], and <c>level</c>, <c>sparsity</c> and
/// <c>loss</c> float64 [levels]. Candidates pass through one at a time.
/// </summary>
internal static class LevelFile
{
    // Archives name a time for each entry; a fixed one lets the same levels be the same bytes.
    private static readonly DateTimeOffset s_epoch = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <param name="candidates">One a level, in their order; disposed here.</param>
    /// <returns>The figures of each level.</returns>
    public static IReadOnlyList<LevelResult> Write(Stream file, IReadOnlyList<double> levels, int rows, int columns, IEnumerable<RowsResult> candidates)
    {
        var results = new List<LevelResult>(levels.Count);
        using var archive = new ZipArchive(file, ZipArchiveMode.Create, leaveOpen: true);
        using (var entry = Open(archive, "weights"))
        {
            new NpyHeader(NpyType.Float32, [levels.Count, rows, columns]).Write(entry);
            foreach (var candidate in candidates)
            {
                using (candidate)
                    entry.Write(MemoryMarshal.AsBytes<float>(candidate.Weights.ToArray()));
                results.Add(new(levels[results.Count], candidate.Sparsity, candidate.Loss, candidate.ZeroLoss > 0 ? candidate.Loss / candidate.ZeroLoss : null));
            }
        }

        Add(archive, "level", levels);
        Add(archive, "sparsity", results.Select(result => result.Sparsity));
        Add(archive, "loss", results.Select(result => result.Loss));
        return results;
    }

    private static void Add(ZipArchive archive, string name, IEnumerable<double> values)
    {
        double[] array = [.. values];
        using var entry = Open(archive, name);
        NpyArray.Write<double>(entry, array, array.Length);
    }

    private static Stream Open(ZipArchive archive, string name)
    {
        var entry = archive.CreateEntry($"{name}.npy", CompressionLevel.Fastest);
        entry.LastWriteTime = s_epoch;
        return entry.Open();
    }
}
