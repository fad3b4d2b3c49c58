using System.Xml.Linq;

namespace Orchestrator.Architecture.Tests;

/// <summary>Which project may reference which. A project that is not in the table does not belong to the house.</summary>
public sealed class ArrowTests
{
    private static readonly string[] s_floors = ["Numerics", "Onnx", "OnnxRuntime", "Jobs"];

    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        ["Numerics"] = [],
        ["Onnx"] = [],
        ["OnnxRuntime"] = [],
        ["Jobs"] = [],
        ["Checkpoints"] = ["Jobs"],
        ["Compression"] = s_floors,
        ["Grains.Abstractions"] = ["Jobs"],
        ["Grains"] = ["Grains.Abstractions", "Jobs", "Checkpoints"],
        ["Embedded"] = ["Grains", "Grains.Abstractions", "Jobs", "Checkpoints"],
        ["Worker"] = ["Compression", "Checkpoints", .. s_floors, "Grains.Abstractions"],
        ["Server"] = ["Grains.Abstractions", "Jobs", "Checkpoints"],
        ["Silo"] = ["Grains", "Grains.Abstractions", "Jobs", "Checkpoints"],
        ["Cli"] = ["Embedded", "Silo", "Server", "Worker", "Compression", "Checkpoints", "Grains", "Grains.Abstractions", .. s_floors],
    };

    public static TheoryData<string> ProductProjects() => [.. ProductFiles()];

    [Theory]
    [MemberData(nameof(ProductProjects))]
    public void A_project_references_only_what_the_house_allows(string projectFile)
    {
        var project = Path.GetFileNameWithoutExtension(projectFile);
        Assert.True(s_allowed.ContainsKey(project), $"{projectFile} is not part of the house.");

        var references = XDocument.Parse(Repository.Read(projectFile))
            .Descendants("ProjectReference")
            .Select(element => Path.GetFileNameWithoutExtension(element.Attribute("Include")!.Value.Replace('\\', '/')));

        Assert.Empty(references.Except(s_allowed[project]).Select(reference => $"{project} → {reference}"));
    }

    [Fact]
    public void Every_product_project_has_tests_of_its_own_or_shares_its_neighbours()
    {
        var tests = Repository.ProjectFiles.Select(file => Path.GetFileNameWithoutExtension(file)).ToHashSet();
        var untested = ProductFiles()
            .Select(file => Path.GetFileNameWithoutExtension(file))
            .Where(project => project != "Grains.Abstractions" && !tests.Contains(project + ".Tests"));
        Assert.Empty(untested);
    }

    [Fact]
    public void Package_versions_stand_in_one_file()
    {
        var strays = Repository.ProjectFiles
            .SelectMany(file => XDocument.Parse(Repository.Read(file)).Descendants("PackageReference")
                .Where(element => element.Attribute("Version") is not null)
                .Select(element => $"{file}: {element.Attribute("Include")?.Value}"));
        Assert.Empty(strays);
    }

    [Fact]
    public void Every_project_is_in_the_solution_with_a_lock_file()
    {
        var solution = Repository.Read("Orchestrator.sln").Replace('\\', '/');
        Assert.All(Repository.ProjectFiles, file => Assert.Contains(file, solution, StringComparison.Ordinal));
        Assert.All(
            Repository.ProjectFiles.Select(file => Path.GetDirectoryName(file)!.Replace('\\', '/') + "/packages.lock.json"),
            lockFile => Assert.Contains(lockFile, Repository.Files));
    }

    private static IEnumerable<string> ProductFiles() =>
        Repository.ProjectFiles.Where(file => !file.StartsWith("tests/", StringComparison.Ordinal));
}
