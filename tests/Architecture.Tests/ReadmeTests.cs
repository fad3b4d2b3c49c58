using System.Diagnostics;
using System.Text.RegularExpressions;

namespace Orchestrator.Architecture.Tests;

/// <summary>What the README shows is run here, command by command, in a copy of the folders that it names.</summary>
public sealed partial class ReadmeTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    [Fact]
    public void The_test_command_is_the_one_that_ci_runs()
    {
        var command = Commands().Single(line => line.StartsWith("dotnet test", StringComparison.Ordinal));
        Assert.Contains(command, Repository.Read(".ci/run"), StringComparison.Ordinal);
    }

    [Fact]
    public void The_first_command_runs_the_main_sample()
    {
        var first = Commands().First();
        Assert.StartsWith("dotnet run -c Release --project src/Cli -- run src/Samples/fashion-resnet14/", first, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_orc_example_succeeds()
    {
        var examples = Commands().Where(line => line.StartsWith("orc ", StringComparison.Ordinal)).ToList();
        Assert.NotEmpty(examples);
        var folder = Directory.CreateTempSubdirectory("readme-");
        try
        {
            CopyFolder(Path.Combine(Repository.Root, "src", "Samples"), Path.Combine(folder.FullName, "src", "Samples"));
            foreach (var example in examples)
            {
                var (code, output) = await RunOrc(example["orc ".Length..], folder.FullName);
                Assert.True(code == 0, $"`{example}` ended with {code}:\n{output}");
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public void Every_link_of_the_readme_leads_somewhere()
    {
        var broken = Link().Matches(Repository.Read("README.md"))
            .Select(match => match.Groups[1].Value.Split('#')[0])
            .Where(target => target.Length > 0 && !target.Contains("://", StringComparison.Ordinal))
            .Where(target => !Path.Exists(Path.Combine(Repository.Root, target)));
        Assert.Empty(broken);
    }

    /// <summary>Lines of the fenced blocks marked <c>sh</c>, prompts and comments left out.</summary>
    private static IEnumerable<string> Commands() =>
        ShellBlock().Matches(Repository.Read("README.md"))
            .SelectMany(match => match.Groups[1].Value.Split('\n'))
            .Select(line => line.Trim())
            .Where(line => line.Length > 0 && !line.StartsWith('#'));

    private static async Task<(int Code, string Output)> RunOrc(string arguments, string folder)
    {
        var start = new ProcessStartInfo(OrcPath(), arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var orc = Process.Start(start) ?? throw new InvalidOperationException("orc did not start.");
        using var patience = new CancellationTokenSource(s_patience);
        var output = orc.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = orc.StandardError.ReadToEndAsync(patience.Token);
        await orc.WaitForExitAsync(patience.Token);
        return (orc.ExitCode, await output + await errors);
    }

    private static string OrcPath()
    {
        var configuration = AppContext.BaseDirectory.Contains("debug", StringComparison.OrdinalIgnoreCase) ? "debug" : "release";
        var name = OperatingSystem.IsWindows() ? "orc.exe" : "orc";
        return Path.Combine(Repository.Root, "artifacts", "bin", "Cli", configuration, name);
    }

    private static void CopyFolder(string from, string to)
    {
        foreach (var file in Directory.EnumerateFiles(from, "*", SearchOption.AllDirectories))
        {
            var relative = Path.GetRelativePath(from, file);
            if (relative.Split(Path.DirectorySeparatorChar).Any(part => part is ".orchestrator" or "out"))
                continue;
            var target = Path.Combine(to, relative);
            Directory.CreateDirectory(Path.GetDirectoryName(target)!);
            File.Copy(file, target);
        }
    }

    [GeneratedRegex(@"```sh\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex ShellBlock();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
