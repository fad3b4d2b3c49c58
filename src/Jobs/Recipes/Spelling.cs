namespace Orchestrator.Jobs.Recipes;

/// <summary>Finds the word that was probably meant.</summary>
internal static class Spelling
{
    /// <summary>The nearest of <paramref name="words"/> by edit distance, or null where none is within a third of the length.</summary>
    public static string? Nearest(string written, IEnumerable<string> words)
    {
        var longest = 40;
        if (written.Length > longest)
            return null;
        var best = words
            .Select(word => (word, distance: Distance(Plain(written), Plain(word))))
            .OrderBy(entry => entry.distance)
            .FirstOrDefault();
        return best.word is not null && best.distance <= Math.Max(1, best.word.Length / 3) ? best.word : null;
    }

    /// <summary>The sentence part that lists what is valid.</summary>
    public static string Hint(string written, IReadOnlyCollection<string> words)
    {
        var nearest = Nearest(written, words);
        var list = $"valid: {string.Join(", ", words)}";
        return nearest is null ? list : $"did you mean '{nearest}'? {list}";
    }

    private static string Plain(string word) => word.ToLowerInvariant().Replace('-', '_');

    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var diagonal = row[0];
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var substitute = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.Min(substitute, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[b.Length];
    }
}
