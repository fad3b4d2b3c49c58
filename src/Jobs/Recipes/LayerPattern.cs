using System.Text.RegularExpressions;

namespace Orchestrator.Jobs.Recipes;

/// <summary>
/// The <c>match</c> of a layer rule: an exact name, a glob (<c>*</c> any run of characters, <c>?</c> one character) or <c>/regex/</c>,
/// which is searched for in the name. A pattern that starts and ends with a slash is a regex.
/// </summary>
public sealed class LayerPattern
{
    private static readonly TimeSpan s_regexTime = TimeSpan.FromSeconds(2);

    private readonly string _text;
    private readonly Regex? _regex;

    private LayerPattern(string text, Regex? regex)
    {
        _text = text;
        _regex = regex;
    }

    /// <exception cref="ArgumentException">Empty, too long, or a regex that cannot be run in linear time; the message says which.</exception>
    public static LayerPattern Parse(string text)
    {
        if (text.Length == 0)
            throw new ArgumentException("the pattern is empty");
        if (text.Length > RecipeLimits.PatternLength)
            throw new ArgumentException($"the pattern is longer than {RecipeLimits.PatternLength} characters");
        if (text.Length < 3 || text[0] != '/' || text[^1] != '/')
            return new LayerPattern(text, null);
        try
        {
            // A recipe may come from a stranger: this engine cannot be made to backtrack for hours.
            return new LayerPattern(text, new Regex(text[1..^1], RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, s_regexTime));
        }
        catch (NotSupportedException unsupported)
        {
            throw new ArgumentException($"the regex cannot be run in linear time (no look-around, back-reference or huge repetition): {unsupported.Message}", unsupported);
        }
        catch (RegexParseException broken)
        {
            throw new ArgumentException($"not a valid regex: {broken.Message}", broken);
        }
    }

    /// <exception cref="InputException">A regex so large that it takes seconds on the name.</exception>
    public bool Matches(string layer)
    {
        if (string.Equals(_text, layer, StringComparison.Ordinal))
            return true;
        try
        {
            return _regex?.IsMatch(layer) ?? MatchesGlob(_text, layer);
        }
        catch (RegexMatchTimeoutException slow)
        {
            throw new InputException("layer-pattern-slow", "layers", $"The pattern '{_text}' takes too long on the layer '{layer}'.", "Write a simpler one.", slow);
        }
    }

    public override string ToString() => _text;

    private static bool MatchesGlob(ReadOnlySpan<char> glob, ReadOnlySpan<char> name)
    {
        var (g, n) = (0, 0);
        var (star, resume) = (-1, 0);
        while (n < name.Length)
        {
            if (g < glob.Length && glob[g] == '*')
            {
                star = g++;
                resume = n;
            }
            else if (g < glob.Length && (glob[g] == '?' || glob[g] == name[n]))
            {
                g++;
                n++;
            }
            else if (star >= 0)
            {
                // The last star takes one character more; earlier stars never need to be revisited.
                g = star + 1;
                n = ++resume;
            }
            else
            {
                return false;
            }
        }

        while (g < glob.Length && glob[g] == '*')
            g++;
        return g == glob.Length;
    }
}
