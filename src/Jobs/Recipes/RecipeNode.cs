namespace Orchestrator.Jobs.Recipes;

/// <summary>A recipe's YAML as a tree that knows its lines.</summary>
internal abstract record RecipeNode(int Line)
{
    /// <summary>What a message calls a value of this shape.</summary>
    public abstract string Shape { get; }
}

/// <param name="IsPlain">Written without quotes; only then a number, a flag or an empty value.</param>
internal sealed record ScalarNode(int Line, string Text, bool IsPlain) : RecipeNode(Line)
{
    /// <summary>More of a value does not help a message.</summary>
    private const int Shown = 200;

    public override string Shape => IsEmpty ? "nothing" : Text.Length <= Shown ? $"'{Text}'" : $"'{Text[..Shown]}…'";

    public bool IsEmpty => IsPlain && Text is "" or "~" or "null";
}

internal sealed record ListNode(int Line, IReadOnlyList<RecipeNode> Items) : RecipeNode(Line)
{
    public override string Shape => "a list";
}

internal sealed record SectionNode(int Line, IReadOnlyList<SectionEntry> Entries) : RecipeNode(Line)
{
    public override string Shape => "a section of keys";
}

internal sealed record SectionEntry(string Key, int Line, RecipeNode Value);
