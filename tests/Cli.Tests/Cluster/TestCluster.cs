using System.Net;
using System.Net.Sockets;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Running;
using Orchestrator.Compression.Models;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Servers;
using Orchestrator.Worker.Units;

namespace Orchestrator.Cli.Tests.Cluster;

/// <summary>Servers as the command starts them and a worker that computes, all in this process, on one store in a folder.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly List<TestServer> _servers = [];
    private readonly CancellationTokenSource _stop = new();
    private Task _worker = Task.CompletedTask;

    /// <summary>All servers, as <c>--server</c> takes them.</summary>
    public string Addresses => string.Join(',', _servers.Select(server => server.Address));

    /// <param name="keys">Lines of the file of keys; null for none.</param>
    public TestServer StartServer(string? keys = null)
    {
        var server = new TestServer(FreePort(), _folder, keys);
        _servers.Add(server);
        return server;
    }

    /// <summary>Starts a worker with one slot.</summary>
    public void StartWorker(string profile, string? key = null) => _worker = WorkAsync(profile, key);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _worker;
        foreach (var server in _servers)
            await server.DisposeAsync();
        _stop.Dispose();
        _folder.Dispose();
    }

    private async Task WorkAsync(string profile, string? key)
    {
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        using var runner = new UnitRunner(new ModelRuntime(environment, NumericProfiles.ProviderOf(profile)), NumericProfiles.WidthOf(profile), TimeProvider.System);
        using var scheduler = new HttpScheduler(
            [.. _servers.Select(server => new Uri(server.Address))], key, new WorkerRegistration("w1", 1, [profile], [new WorkerDevice("cpu", "a processor", null)], "0.1.0"), (_, _) => { }, TimeProvider.System);
        var blobs = new TensorBlobs(FileBlobStore.Open(_folder["store"], TimeProvider.System));
        await new WorkerLoop(scheduler, runner, blobs, WorkerOptions.Create("w1", profile, 1), TimeProvider.System).RunAsync(_stop.Token);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}

/// <summary><c>orc serve</c> in this process.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TestConsole _console;
    private readonly Task<int> _run;

    public TestServer(int port, TestFolder folder, string? keys)
    {
        Address = $"http://127.0.0.1:{port}";
        _console = new TestConsole(folder.Path) { Interruption = _stop.Token };
        string[] more = keys is null ? [] : ["--keys", folder.Write("keys", keys)];
        _run = Task.Run(() => _console.RunAsync(["serve", "--store", "store", "--listen", Address, .. more]));
    }

    public string Address { get; }

    /// <summary>As Ctrl-C does; another server may take over at once.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        Assert.Equal(ExitCodes.Success, await _run);
    }

    public async ValueTask DisposeAsync()
    {
        if (!_run.IsCompleted)
            await StopAsync();
        _stop.Dispose();
        _console.Dispose();
    }
}
