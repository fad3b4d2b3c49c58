using System.Text.RegularExpressions;

namespace Orchestrator.Fuzzing;

/// <summary>What stays of a message when it is to tell a path through the code, not an input.</summary>
internal static partial class Outcomes
{
    private const int MaxLength = 200;

    public static string Shape(string message)
    {
        var shape = Varying().Replace(message, "…");
        return shape.Length > MaxLength ? shape[..MaxLength] : shape;
    }

    [GeneratedRegex(@"'[^']*'|-?\d+|\[[^\]]*\]|\([^)]*\)", RegexOptions.CultureInvariant)]
    private static partial Regex Varying();
}
