using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Orchestrator.Architecture.Tests;

/// <summary>The size budget: short files, short members.</summary>
public sealed class SizeTests
{
    private const int MemberBudget = 60;

    /// <summary>Files over budget, each with its reason.</summary>
    private static readonly Dictionary<string, string> s_longFiles = [];

    /// <summary>Members over budget as <c>file:member</c>, each with its reason.</summary>
    private static readonly Dictionary<string, string> s_longMembers = [];

    private static int FileBudget(string file) => file switch
    {
        _ when file.StartsWith("tests/", StringComparison.Ordinal) => 500,
        _ when file.StartsWith("src/Numerics/", StringComparison.Ordinal) => 500,
        _ when file.StartsWith("src/OnnxRuntime/", StringComparison.Ordinal) => 500,
        _ when file.StartsWith("src/Compression/", StringComparison.Ordinal) => 350,
        _ => 300,
    };

    [Fact]
    public void Files_stay_within_their_budget()
    {
        var tooLong = Repository.SourceFiles
            .Select(file => (file, lines: File.ReadLines(Path.Combine(Repository.Root, file)).Count()))
            .Where(entry => entry.lines > FileBudget(entry.file) && !s_longFiles.ContainsKey(entry.file))
            .Select(entry => $"{entry.file}: {entry.lines} lines, budget {FileBudget(entry.file)}");
        Assert.Empty(tooLong);
    }

    [Fact]
    public void Members_stay_within_their_budget()
    {
        var tooLong = Repository.SourceFiles.SelectMany(file => Members(file)
            .Where(member => member.Lines > MemberBudget && !s_longMembers.ContainsKey($"{file}:{member.Name}"))
            .Select(member => $"{file}:{member.Name} {member.Lines} lines"));
        Assert.Empty(tooLong);
    }

    [Fact]
    public void Every_exception_is_still_needed()
    {
        var idleFiles = s_longFiles.Keys.Where(file =>
            !Repository.Files.Contains(file) || File.ReadLines(Path.Combine(Repository.Root, file)).Count() <= FileBudget(file));
        var idleMembers = s_longMembers.Keys.Where(key =>
        {
            var (file, name) = (key[..key.IndexOf(':', StringComparison.Ordinal)], key[(key.IndexOf(':', StringComparison.Ordinal) + 1)..]);
            return !Repository.Files.Contains(file) || !Members(file).Any(member => member.Name == name && member.Lines > MemberBudget);
        });
        Assert.Empty(idleFiles.Concat(idleMembers));
    }

    /// <summary>Members that hold code. A type is not a member here; its members are.</summary>
    private static IEnumerable<(string Name, int Lines)> Members(string file)
    {
        var tree = CSharpSyntaxTree.ParseText(Repository.Read(file), new CSharpParseOptions(LanguageVersion.Preview));
        return tree.GetRoot().DescendantNodes()
            .OfType<MemberDeclarationSyntax>()
            .Where(member => member is BaseMethodDeclarationSyntax or BasePropertyDeclarationSyntax)
            .Select(member => (NameOf(member), LinesOf(tree, member)));
    }

    private static string NameOf(MemberDeclarationSyntax member) => member switch
    {
        MethodDeclarationSyntax method => method.Identifier.Text,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.Text + "..ctor",
        PropertyDeclarationSyntax property => property.Identifier.Text,
        _ => member.Kind().ToString(),
    };

    private static int LinesOf(SyntaxTree tree, SyntaxNode node)
    {
        var span = tree.GetLineSpan(node.Span);
        return span.EndLinePosition.Line - span.StartLinePosition.Line + 1;
    }
}
