using System.Text.RegularExpressions;

namespace Orchestrator.Architecture.Tests;

/// <summary>Rules of the house that a text search can hold.</summary>
public sealed partial class HouseTests
{
    private static readonly string[] s_topLevel =
    [
        "src", "grains", "workers", "tests", "infra", "Orchestrator.sln", "README.md", "LICENSE", "global.json",
        "Directory.Build.props", "Directory.Build.targets", "Directory.Packages.props", "Directory.Solution.targets",
    ];

    /// <summary>Composition roots may read the clock and the environment; everything below gets them handed in.</summary>
    private static bool IsCompositionRoot(string file) => file.StartsWith("src/Cli/", StringComparison.Ordinal);

    /// <summary>Faults that are done to real processes for minutes come in real time; no assertion waits for one.</summary>
    private static readonly string[] s_paced = ["tests/EndToEnd.Tests/Clusters/ChaosRun.cs"];

    [Fact]
    public void The_top_level_holds_only_the_house()
    {
        var strangers = Repository.Files.Select(file => file.Split('/')[0]).Distinct()
            .Where(entry => !entry.StartsWith('.') && !s_topLevel.Contains(entry));
        Assert.Empty(strangers);
    }

    [Fact]
    public void Nothing_is_left_unfinished() => AssertNowhere(Unfinished(), Repository.SourceFiles);

    [Fact]
    public void Tests_do_not_sleep() => AssertNowhere(Sleeping(), Repository.SourceFiles.Where(file => IsTest(file) && !s_paced.Contains(file)));

    [Fact]
    public void The_clock_is_passed_in() =>
        AssertNowhere(WallClock(), Repository.SourceFiles.Where(file => !IsTest(file) && !IsCompositionRoot(file)));

    [Fact]
    public void The_environment_is_read_in_the_composition_root_only() =>
        AssertNowhere(EnvironmentRead(), Repository.SourceFiles.Where(file => !IsTest(file) && !IsCompositionRoot(file)));

    [Fact]
    public void No_regions() => AssertNowhere(Region(), Repository.SourceFiles);

    [Fact]
    public void Namespaces_are_file_scoped() => AssertNowhere(BlockNamespace(), Repository.SourceFiles);

    [Fact]
    public void Type_names_use_none_of_the_empty_suffixes() => AssertNowhere(EmptySuffix(), Repository.SourceFiles);

    private static bool IsTest(string file) => file.StartsWith("tests/", StringComparison.Ordinal);

    private static void AssertNowhere(Regex pattern, IEnumerable<string> files)
    {
        var hits = files
            .Where(file => !file.EndsWith("HouseTests.cs", StringComparison.Ordinal))
            .SelectMany(file => File.ReadLines(Path.Combine(Repository.Root, file))
                .Select((line, index) => (line, index))
                .Where(entry => pattern.IsMatch(entry.line))
                .Select(entry => $"{file}:{entry.index + 1}: {entry.line.Trim()}"));
        Assert.Empty(hits);
    }

    [GeneratedRegex(@"\b(TODO|FIXME|HACK|XXX)\b|NotImplementedException")]
    private static partial Regex Unfinished();

    [GeneratedRegex(@"Thread\.Sleep|Task\.Delay\(")]
    private static partial Regex Sleeping();

    [GeneratedRegex(@"DateTime(Offset)?\.(UtcNow|Now)\b|Stopwatch\.(StartNew|GetTimestamp)|Environment\.TickCount|\bnew Random\(\)|Random\.Shared")]
    private static partial Regex WallClock();

    [GeneratedRegex(@"Environment\.GetEnvironmentVariable")]
    private static partial Regex EnvironmentRead();

    [GeneratedRegex(@"^\s*#region")]
    private static partial Regex Region();

    [GeneratedRegex(@"^namespace [^;]*$")]
    private static partial Regex BlockNamespace();

    [GeneratedRegex(@"\b(class|record|struct|interface) \w*(Manager|Helper|Helpers|Utils|Utility|Service|Processor|Base|Impl|Info)\b")]
    private static partial Regex EmptySuffix();
}
