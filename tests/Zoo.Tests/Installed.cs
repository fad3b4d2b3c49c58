namespace Orchestrator.Zoo.Tests;

/// <summary>What <c>.ci/install</c> puts on a machine.</summary>
internal static class Installed
{
    private const string Remedy = "run .ci/install";

    public static string Root { get; } = FindRoot();

    public static string Packages { get; } = Path.Combine(Root, "tests", "Zoo.Tests", "Packages", "node_modules");

    public static string NodeModels { get; } = "/usr/share/libonnx-testdata/data/node";

    /// <summary>Why tests of real networks cannot run; null where they can.</summary>
    public static string? NoPackages => Directory.Exists(Packages) ? null : $"the npm packages of tests/Zoo.Tests/Packages are not installed: {Remedy}";

    /// <summary>Why tests of single-operator models cannot run; null where they can.</summary>
    public static string? NoNodeModels => Directory.Exists(NodeModels) ? null : $"Debian's libonnx-testdata is not installed: {Remedy}";

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return folder?.FullName ?? throw new DirectoryNotFoundException("Orchestrator.sln is in no folder above the tests.");
    }
}

/// <summary>A theory over the networks of the npm packages; skipped where they are not installed.</summary>
public sealed class NetworkTheoryAttribute : TheoryAttribute
{
    public NetworkTheoryAttribute() => Skip = Installed.NoPackages;
}

/// <summary>A fact about the single-operator models of libonnx-testdata; skipped where they are not installed.</summary>
public sealed class NodeModelFactAttribute : FactAttribute
{
    public NodeModelFactAttribute() => Skip = Installed.NoNodeModels;
}
