using System.Globalization;

namespace Orchestrator.Jobs.Recipes;

/// <summary>Typed access to the keys of one section. Every fault goes to the collector; the value is then null and reading goes on.</summary>
internal sealed class Section
{
    private readonly SectionNode _node;
    private readonly RecipeErrors _errors;
    private readonly Dictionary<string, SectionEntry> _entries = new(StringComparer.Ordinal);

    private Section(SectionNode node, string path, IReadOnlyCollection<string> keys, IReadOnlyCollection<string> later, RecipeErrors errors)
    {
        (_node, Path, _errors) = (node, path, errors);
        foreach (var entry in node.Entries)
        {
            if (later.Contains(entry.Key))
                errors.AddNotYet(entry.Line, PathOf(entry.Key), $"'{entry.Key}'");
            else if (!keys.Contains(entry.Key))
                errors.Add(entry.Line, PathOf(entry.Key), $"unknown key; {Spelling.Hint(entry.Key, keys)}");
            else if (!_entries.TryAdd(entry.Key, entry))
                errors.Add(entry.Line, PathOf(entry.Key), $"the key occurs twice, first on line {_entries[entry.Key].Line}");
        }
    }

    public string Path { get; }

    public int Line => _node.Line;

    public static Section? Of(RecipeNode node, string path, IReadOnlyCollection<string> keys, RecipeErrors errors, params IReadOnlyCollection<string> later)
    {
        if (node is SectionNode section)
            return new Section(section, path, keys, later, errors);
        errors.Add(node.Line, path, $"expected keys ({string.Join(", ", keys)}), found {node.Shape}");
        return null;
    }

    public string PathOf(string key) => Path.Length == 0 ? key : $"{Path}.{key}";

    public bool Has(string key) => _entries.ContainsKey(key);

    public int LineOf(string key) => _entries.TryGetValue(key, out var entry) ? entry.Line : Line;

    public void Fault(string key, string message) => _errors.Add(LineOf(key), PathOf(key), message);

    /// <summary>A fault for what a later version can do.</summary>
    public void NotYet(string key, string what) => _errors.AddNotYet(LineOf(key), PathOf(key), what);

    public void Require(params ReadOnlySpan<string> keys)
    {
        foreach (var key in keys)
        {
            if (!Has(key))
                _errors.Add(Line, PathOf(key), "this key is required");
        }
    }

    public Section? Child(string key, IReadOnlyCollection<string> keys) =>
        _entries.TryGetValue(key, out var entry) ? Of(entry.Value, PathOf(key), keys, _errors) : null;

    public IReadOnlyList<RecipeNode>? List(string key)
    {
        if (!_entries.TryGetValue(key, out var entry))
            return null;
        if (entry.Value is ListNode list)
            return list.Items;
        Fault(key, $"expected a list, found {entry.Value.Shape}");
        return null;
    }

    public string? Text(string key)
    {
        if (!_entries.TryGetValue(key, out var entry))
            return null;
        if (entry.Value is ScalarNode { IsEmpty: false, Text.Length: > 0 } scalar)
            return scalar.Text;
        Fault(key, $"expected text, found {(entry.Value is ScalarNode ? "nothing" : entry.Value.Shape)}");
        return null;
    }

    public string? Choice(string key, IReadOnlyCollection<string> words, params IReadOnlyCollection<string> later)
    {
        if (Text(key) is not { } text)
            return null;
        if (words.Contains(text))
            return text;
        if (later.Contains(text))
            NotYet(key, $"'{text}' (valid here: {string.Join(", ", words)})");
        else
            Fault(key, $"unknown value '{text}'; {Spelling.Hint(text, words)}");
        return null;
    }

    public bool? Flag(string key) => Choice(key, ["true", "false"]) is { } word ? word == "true" : null;

    public double? Number(string key) => _entries.TryGetValue(key, out var entry) ? Number(entry.Value, PathOf(key)) : null;

    public long? Integer(string key, long min, long max)
    {
        if (!_entries.TryGetValue(key, out var entry))
            return null;
        var range = (min, max) switch
        {
            (long.MinValue, long.MaxValue) => "a whole number",
            (_, long.MaxValue) => $"a whole number, {min} or more",
            _ => $"a whole number from {min} to {max}",
        };
        if (entry.Value is ScalarNode { IsPlain: true } scalar
            && long.TryParse(scalar.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var value)
            && value >= min && value <= max)
        {
            return value;
        }

        Fault(key, $"expected {range}, found {entry.Value.Shape}");
        return null;
    }

    public IReadOnlyList<double>? Numbers(string key)
    {
        if (List(key) is not { } items)
            return null;
        var numbers = items.Select((item, index) => Number(item, $"{PathOf(key)}[{index}]")).ToList();
        return numbers.Contains(null) ? null : [.. numbers.Select(number => number!.Value)];
    }

    private double? Number(RecipeNode node, string path)
    {
        if (node is ScalarNode { IsPlain: true } scalar
            && double.TryParse(scalar.Text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            && double.IsFinite(value))
        {
            return value;
        }

        _errors.Add(node.Line, path, $"expected a finite number, found {node.Shape}");
        return null;
    }
}
