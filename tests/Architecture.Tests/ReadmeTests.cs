using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
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

    /// <summary>As it stands there, but on a free port and with less data.</summary>
    [Fact]
    public async Task The_cluster_of_the_readme_gives_a_model()
    {
        var script = BashBlock().Match(Repository.Read("README.md")).Groups[1].Value;
        Assert.Contains("orc serve", script, StringComparison.Ordinal);
        var folder = Directory.CreateTempSubdirectory("readme-");
        try
        {
            CopyFolder(Path.Combine(Repository.Root, "src", "Samples"), Path.Combine(folder.FullName, "src", "Samples"));
            var recipe = Path.Combine(folder.FullName, "src", "Samples", "fashion-resnet14", "recipe.yaml");
            await File.WriteAllLinesAsync(recipe, File.ReadAllLines(recipe).Where(line => !line.Contains("evaluation:", StringComparison.Ordinal)).Select(line => line.Replace("samples: 1024", "samples: 32", StringComparison.Ordinal)));
            var path = Path.Combine(folder.FullName, "cluster.sh");
            await File.WriteAllTextAsync(path, $"set -e\ntrap 'kill $(jobs -p); wait' EXIT\n{script.Replace("7070", FreePort(), StringComparison.Ordinal)}");
            var (code, output) = await Run("bash", [path], folder.FullName);
            Assert.True(code == 0, $"It ended with {code}:\n{output}");
            Assert.True(File.Exists(Path.Combine(folder.FullName, "fetched", "model.onnx")));
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

    private static Task<(int Code, string Output)> RunOrc(string arguments, string folder) => Run(OrcPath(), arguments.Split(' '), folder);

    private static async Task<(int Code, string Output)> Run(string file, IReadOnlyList<string> arguments, string folder)
    {
        var start = new ProcessStartInfo(file, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PATH"] = Path.GetDirectoryName(OrcPath()) + Path.PathSeparator + start.Environment["PATH"];
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{file} did not start.");
        using var patience = new CancellationTokenSource(s_patience);
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = process.StandardError.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return (process.ExitCode, await output + await errors);
    }

    private static string FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"{((IPEndPoint)listener.LocalEndpoint).Port}";
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

    [GeneratedRegex(@"```bash\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex BashBlock();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
