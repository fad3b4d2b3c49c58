namespace Orchestrator.Cli.Tests;

/// <summary>Compares text with a file of <c>Golden/</c>. With ORC_UPDATE_GOLDEN=1 the file in the source tree is written instead; look at the difference before it is committed.</summary>
internal static class GoldenFile
{
    public static void Matches(string name, string actual)
    {
        actual = string.Join('\n', actual.ReplaceLineEndings("\n").Split('\n').Select(line => line.TrimEnd())).TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("ORC_UPDATE_GOLDEN") == "1")
        {
            File.WriteAllText(Path.Combine(SourceFolder(), name), actual);
            return;
        }

        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name)).ReplaceLineEndings("\n"), actual);
    }

    private static string SourceFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return Path.Combine(folder!.FullName, "tests", "Cli.Tests", "Golden");
    }
}
