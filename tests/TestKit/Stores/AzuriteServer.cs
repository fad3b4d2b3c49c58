using System.Diagnostics;
using System.Security.Cryptography;
using Orchestrator.Checkpoints.Blobs.Azure;

namespace Orchestrator.TestKit.Stores;

/// <summary>An emulator of Azure Blob Storage: a process of its own on a free port, with a key of its own, in memory or in a folder.</summary>
public sealed class AzuriteServer : IAsyncDisposable
{
    private const string Account = "devstoreaccount1";
    private const string Announcement = "successfully listens on ";

    // Ends with whoever started it, even where that is killed: then its standard input ends.
    private const string Launcher = "process.stdin.on('end', () => process.exit(0)).resume(); process.argv.splice(1, 0, process.env.AZURITE_MAIN); require(process.env.AZURITE_MAIN)";

    private static readonly string? s_main = FindMain();

    private readonly Process _process;

    private AzuriteServer(Process process, string key, Uri service) => (_process, Key, Service) = (process, key, service);

    /// <summary>Why it cannot run here; null where it can.</summary>
    public static string? Missing => s_main is null ? "the npm packages of tests/TestKit/Azurite are not installed: run .ci/install" : null;

    /// <summary>As in production.</summary>
    public static AzureStoreOptions Options { get; } = new(TimeProvider.System, Random.Shared.NextDouble);

    /// <summary>The account's key, made up when it started.</summary>
    public string Key { get; }

    public Uri Service { get; }

    public int ProcessId => _process.Id;

    /// <param name="folder">Keeps what is stored, for the next one; null keeps it in memory.</param>
    /// <param name="port">0 for a free one.</param>
    /// <param name="key">The account's key; null for a new one.</param>
    public static async Task<AzuriteServer> StartAsync(string? folder = null, int port = 0, string? key = null)
    {
        key ??= Convert.ToBase64String(RandomNumberGenerator.GetBytes(64));
        var start = new ProcessStartInfo("node") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in new[] { "-e", Launcher, "--", "--blobPort", $"{port}", "--disableTelemetry", "--silent" })
            start.ArgumentList.Add(argument);
        foreach (var argument in folder is null ? (string[])["--inMemoryPersistence"] : ["--location", folder])
            start.ArgumentList.Add(argument);
        start.Environment["AZURITE_ACCOUNTS"] = $"{Account}:{key}";
        start.Environment["AZURITE_MAIN"] = s_main ?? throw new InvalidOperationException(Missing);
        var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.IndexOf(Announcement, StringComparison.Ordinal) is var at and >= 0)
            {
                // Whatever it says from now on, nobody waits for it.
                _ = process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
                return new AzuriteServer(process, key, new Uri(line[(at + Announcement.Length)..].Trim()));
            }
        }

        throw new InvalidOperationException($"Azurite did not start: {await errors}");
    }

    public ContainerAddress Container(string name) => ContainerAddress.Parse($"{Service}{Account}/{name}");

    /// <summary>A container of its own, opened.</summary>
    public Task<AzureBlobStore> OpenAsync(string container, AzureStoreOptions? options = null)
    {
        var address = Container(container);
        return AzureBlobStore.OpenAsync(address, StoreCredential.Parse(Key, address, "test"), options ?? Options, create: true, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private static string? FindMain()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        var main = folder is null ? null : Path.Combine(folder.FullName, "tests/TestKit/Azurite/node_modules/azurite/dist/src/blob/main.js");
        return File.Exists(main) ? main : null;
    }
}
