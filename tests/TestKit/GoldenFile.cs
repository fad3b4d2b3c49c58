using System.Text.Json;
using Xunit;

namespace Orchestrator.TestKit;

/// <summary>Compares text with a file of a test project's <c>Golden/</c>. With ORC_UPDATE_GOLDEN=1 the file in the source tree is written instead; look at the difference before it is committed.</summary>
public static class GoldenFile
{
    private static readonly JsonSerializerOptions s_indented = new() { WriteIndented = true };

    /// <param name="project">Folder of the test project below <c>tests</c>.</param>
    public static void Matches(string project, string name, string actual)
    {
        var path = Path.Combine(SourceFolder(), "tests", project, "Golden", name);
        actual = actual.ReplaceLineEndings("\n").TrimEnd() + "\n";
        if (Environment.GetEnvironmentVariable("ORC_UPDATE_GOLDEN") == "1")
            File.WriteAllText(path, actual);
        else
            Assert.Equal(File.ReadAllText(path).ReplaceLineEndings("\n"), actual);
    }

    /// <summary>As the other overload, for a JSON document: indented, so that a difference can be read.</summary>
    public static void MatchesJson(string project, string name, ReadOnlyMemory<byte> json)
    {
        using var document = JsonDocument.Parse(json);
        Matches(project, name, JsonSerializer.Serialize(document.RootElement, s_indented));
    }

    private static string SourceFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("The tests do not run below the source tree.");
    }
}
