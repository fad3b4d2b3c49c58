namespace Orchestrator.Jobs.Recipes;

/// <summary>The <c>layers</c> list.</summary>
internal static class LayerRuleReader
{
    public static IReadOnlyList<LayerRule> Read(Section root, RecipeErrors errors)
    {
        var rules = new List<LayerRule>();
        var items = root.List("layers") ?? [];
        if (items.Count > RecipeLimits.Rules)
        {
            root.Fault("layers", $"the list has {items.Count} rules; at most {RecipeLimits.Rules} are allowed, and a glob or /regex/ covers many layers");
            return rules;
        }

        foreach (var (item, index) in items.Select((item, index) => (item, index)))
        {
            if (Section.Of(item, $"layers[{index}]", RecipeKeys.Layer, errors) is { } section)
                rules.Add(ReadRule(section));
        }

        return rules;
    }

    private static LayerRule ReadRule(Section section)
    {
        section.Require("match");
        var match = section.Text("match") ?? "";
        var skip = section.Flag("skip");
        if (!section.Has("skip") && !section.Has("bits") && !section.Has("sparsity") && !section.Has("rows"))
            section.Fault("match", "the rule says nothing; give skip, bits, sparsity or rows");
        if (skip == true && (section.Has("bits") || section.Has("sparsity") || section.Has("rows")))
            section.Fault("skip", "a skipped layer has no bits, sparsity or rows; give one or the other");
        if (match.Length > 0)
            CheckPattern(section, match);

        return new LayerRule(match)
        {
            Skip = skip ?? false,
            Bits = (int?)section.Integer("bits", RecipeLimits.MinBits, RecipeLimits.MaxBits),
            Sparsity = CompressReader.CheckSparsity(section),
            Rows = (int?)section.Integer("rows", 1, int.MaxValue),
        };
    }

    private static void CheckPattern(Section section, string match)
    {
        try
        {
            LayerPattern.Parse(match);
        }
        catch (ArgumentException broken)
        {
            section.Fault("match", broken.Message);
        }
    }
}
