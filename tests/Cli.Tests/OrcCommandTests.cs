using System.Text.RegularExpressions;

namespace Orchestrator.Cli.Tests;

public sealed partial class OrcCommandTests
{
    [Theory]
    [InlineData("orc")]
    [InlineData("run")]
    [InlineData("inspect")]
    [InlineData("eval")]
    [InlineData("solve")]
    [InlineData("bench")]
    [InlineData("gc")]
    [InlineData("verify")]
    [InlineData("dump")]
    [InlineData("worker")]
    [InlineData("submit")]
    [InlineData("list")]
    [InlineData("watch")]
    [InlineData("logs")]
    [InlineData("fetch")]
    [InlineData("describe")]
    [InlineData("explain")]
    [InlineData("pause")]
    [InlineData("resume")]
    [InlineData("cancel")]
    [InlineData("retry")]
    public async Task Help_says_what_it_always_said(string verb)
    {
        using var console = new TestConsole();
        string[] arguments = verb == "orc" ? ["--help"] : [verb, "--help"];

        Assert.Equal(ExitCodes.Success, await console.RunAsync(arguments));
        Assert.Empty(console.Error);
        // The name before the verbs is that of the host process, in a test the test host.
        GoldenFile.Matches($"help.{verb}.txt", HostName().Replace(console.Output, "  orc "));
    }

    [Theory]
    [InlineData("run")]
    [InlineData("inspect")]
    [InlineData("eval")]
    [InlineData("solve")]
    [InlineData("bench")]
    [InlineData("gc")]
    [InlineData("verify")]
    [InlineData("dump")]
    [InlineData("worker")]
    [InlineData("submit")]
    [InlineData("list")]
    [InlineData("watch")]
    [InlineData("logs")]
    [InlineData("fetch")]
    [InlineData("describe")]
    [InlineData("explain")]
    [InlineData("pause")]
    [InlineData("resume")]
    [InlineData("cancel")]
    [InlineData("retry")]
    public async Task Every_verb_has_an_example_that_parses(string verb)
    {
        using var console = new TestConsole();
        await console.RunAsync(verb, "--help");
        var examples = console.Output[console.Output.IndexOf("Examples:", StringComparison.Ordinal)..].Split('\n').Skip(1)
            .Select(line => line.Trim()).Where(line => line.Length > 0).ToList();

        Assert.NotEmpty(examples);
        Assert.All(examples, example => Assert.StartsWith($"orc {verb} ", example, StringComparison.Ordinal));
        foreach (var example in examples)
        {
            // With --help behind it an example is parsed, but not run.
            using var again = new TestConsole();
            Assert.Equal(ExitCodes.Success, await again.RunAsync([.. example.Split(' ').Skip(1), "--help"]));
            Assert.Empty(again.Error);
        }
    }

    [Fact]
    public async Task The_version_is_a_plain_number()
    {
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.Success, await console.RunAsync("--version"));
        Assert.Matches(@"^\d+\.\d+\.\d+\s*$", console.Output);
    }

    [Theory]
    [InlineData("run recipe.yaml --colour", "--colour")]
    [InlineData("fly model.onnx", "fly")]
    [InlineData("", "command")]
    [InlineData("bench", "bench")]
    [InlineData("bench exact-obs --rows many", "many")]
    [InlineData("bench exact-obs --rows 0", "--rows")]
    [InlineData("bench exact-obs --columns 30", "--columns")]
    [InlineData("bench exactobs", "exactobs")]
    [InlineData("run", "RECIPE")]
    [InlineData("run recipe.yaml --slots 0", "--slots")]
    [InlineData("run recipe.yaml --device abacus", "abacus")]
    public async Task A_wrong_command_line_ends_with_2_and_says_what_is_wrong(string line, string named)
    {
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Empty(console.Output);
        Assert.Contains(named, console.Error, StringComparison.Ordinal);
        Assert.StartsWith("error: ", console.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run recipe.yaml --colour --json")]
    [InlineData("bench exactobs --json")]
    [InlineData("run no-such-recipe.yaml --json")]
    [InlineData("--json run no-such-recipe.yaml")]
    public async Task An_error_as_json_has_its_four_fields(string line)
    {
        using var folder = new TestFolder();
        using var console = new TestConsole(folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(line.Split(' ')));

        var error = console.Json.GetProperty("error");
        Assert.Equal(["code", "message", "subject", "remedy"], error.EnumerateObject().Select(member => member.Name));
        Assert.All(error.EnumerateObject(), member => Assert.False(string.IsNullOrWhiteSpace(member.Value.GetString()), member.Name));
        Assert.StartsWith("error: ", console.Error, StringComparison.Ordinal);
        Assert.Empty(folder.Entries);
    }

    [GeneratedRegex(@"^  \S*testhost\S*\s", RegexOptions.Multiline)]
    private static partial Regex HostName();
}
