namespace Orchestrator.Cli.Tests;

/// <summary>The golden files of the command.</summary>
internal static class GoldenFile
{
    public static void Matches(string name, string actual)
    {
        // Help is padded to the width of the screen.
        actual = string.Join('\n', actual.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd()));
        TestKit.GoldenFile.Matches("Cli.Tests", name, actual);
    }
}
