using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Orchestrator.Jobs.Recipes;

/// <summary>YAML text to a tree, bounded in size and depth. Aliases, tags and further documents are refused: a recipe needs none of them.</summary>
internal static class RecipeTree
{
    /// <summary>The tree, or null where the text is not one YAML document that a recipe may be.</summary>
    public static RecipeNode? Parse(string text, RecipeErrors errors)
    {
        var scanner = new Scanner(new StringReader(text), skipComments: true);
        try
        {
            var parser = new Parser(scanner);
            parser.Consume<StreamStart>();
            if (parser.Current is StreamEnd)
            {
                errors.Add(1, "", "the recipe is empty");
                return null;
            }

            parser.Consume<DocumentStart>();
            var root = ReadNode(parser, depth: 1);
            parser.Consume<DocumentEnd>();
            if (parser.Current is not StreamEnd)
                throw new RefusedException(LineOf(parser.Current), "a recipe is one YAML document, here a second one begins");
            return root;
        }
        catch (RefusedException refused)
        {
            errors.Add(refused.Line, "", refused.Message);
        }
        catch (YamlException broken)
        {
            errors.Add((int)Math.Max(1, broken.Start.Line), "", $"not valid YAML: {broken.Message}");
        }
        catch (ArgumentException)
        {
            // The parser makes an address of a tag before anyone asks whether it is one.
            errors.Add((int)Math.Max(1, scanner.CurrentPosition.Line), "", "not valid YAML: a tag that is no address; tags are not supported");
        }
        catch (InvalidOperationException)
        {
            // The scanner trips over itself where a flow value is cut off by a new line; it can still say where it was.
            errors.Add((int)Math.Max(1, scanner.CurrentPosition.Line), "", "not valid YAML: a value breaks off here; is a bracket, brace or quote not closed?");
        }

        return null;
    }

    private static RecipeNode ReadNode(Parser parser, int depth)
    {
        var line = LineOf(parser.Current);
        if (depth > RecipeLimits.Depth)
            throw new RefusedException(line, $"nested deeper than {RecipeLimits.Depth} levels");
        if (parser.Current is AnchorAlias)
            throw new RefusedException(line, "aliases (*name) are not supported, write the value out");
        if (parser.Current is not NodeEvent node)
            throw new RefusedException(line, "a value is missing");
        if (!node.Anchor.IsEmpty)
            throw new RefusedException(line, "anchors (&name) are not supported, write the value out");
        if (!node.Tag.IsEmpty && node.Tag != "!")
            throw new RefusedException(line, $"tags ({node.Tag}) are not supported");

        return node switch
        {
            Scalar => ReadScalar(parser),
            SequenceStart => ReadList(parser, depth),
            MappingStart => ReadSection(parser, depth),
            _ => throw new RefusedException(line, "a value is missing"),
        };
    }

    private static ScalarNode ReadScalar(Parser parser)
    {
        var scalar = parser.Consume<Scalar>();
        return new ScalarNode(LineOf(scalar), scalar.Value, scalar.Style == ScalarStyle.Plain);
    }

    private static ListNode ReadList(Parser parser, int depth)
    {
        var line = LineOf(parser.Consume<SequenceStart>());
        var items = new List<RecipeNode>();
        while (!parser.TryConsume<SequenceEnd>(out _))
            items.Add(ReadNode(parser, depth + 1));
        return new ListNode(line, items);
    }

    private static SectionNode ReadSection(Parser parser, int depth)
    {
        var line = LineOf(parser.Consume<MappingStart>());
        var entries = new List<SectionEntry>();
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var name = ReadNode(parser, depth + 1);
            if (name is not ScalarNode key)
                throw new RefusedException(name.Line, "a key must be a single word");
            entries.Add(new SectionEntry(key.Text, key.Line, ReadNode(parser, depth + 1)));
        }

        return new SectionNode(line, entries);
    }

    private static int LineOf(ParsingEvent? parsingEvent) => (int)Math.Max(1, parsingEvent?.Start.Line ?? 1);

    private sealed class RefusedException(int line, string message) : Exception(message)
    {
        public int Line { get; } = line;
    }
}
