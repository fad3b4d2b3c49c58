namespace Orchestrator.Zoo.Tests;

/// <summary>Compares text with a file of <c>Golden/</c>. With ORC_UPDATE_GOLDEN=1 the file in the source tree is written instead; look at the difference before it is committed.</summary>
internal static class GoldenFile
{
    public static void Matches(string name, string actual)
    {
        actual = actual.ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("ORC_UPDATE_GOLDEN") == "1")
        {
            var path = Path.Combine(Installed.Root, "tests", "Zoo.Tests", "Golden", name);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            File.WriteAllText(path, actual);
            return;
        }

        Assert.Equal(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Golden", name)).ReplaceLineEndings("\n"), actual);
    }
}
