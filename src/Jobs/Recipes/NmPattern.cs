using System.Globalization;

namespace Orchestrator.Jobs.Recipes;

/// <summary>The text form of "keep N of every M": <c>2:4</c>.</summary>
public static class NmPattern
{
    /// <summary>True where 1 ≤ N &lt; M ≤ <see cref="RecipeLimits.GroupSize"/>.</summary>
    public static bool TryParse(string text, out int keep, out int group)
    {
        (keep, group) = (0, 0);
        var parts = text.Split(':');
        return parts.Length == 2
            && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out keep)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out group)
            && keep >= 1 && keep < group && group <= RecipeLimits.GroupSize;
    }
}
