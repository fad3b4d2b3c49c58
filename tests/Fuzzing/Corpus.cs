namespace Orchestrator.Fuzzing;

/// <summary>The kept inputs of a target: seeds, and every input that once did harm.</summary>
internal static class Corpus
{
    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "corpus");

    /// <summary>Name and content, in order of name.</summary>
    public static IReadOnlyList<(string Name, byte[] Content)> Of(string target)
    {
        var folder = Path.Combine(Folder, target);
        return !Directory.Exists(folder)
            ? []
            : [.. Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select(f => (Path.GetFileName(f), File.ReadAllBytes(f)))];
    }
}
