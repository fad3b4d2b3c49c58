using System.Net;
using System.Net.Sockets;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>A cluster of real processes on one machine: a store in the emulator of Azure Blob Storage, servers of which one is active, workers of one slot each.</summary>
internal sealed class ClusterProcesses : IAsyncDisposable
{
    private readonly AzuriteServer _azurite;

    private ClusterProcesses(AzuriteServer azurite, string folder, int servers, int workers)
    {
        _azurite = azurite;
        var key = Path.Combine(folder, "store.key");
        File.WriteAllText(key, azurite.Key);
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        StoreOptions = ["--store", azurite.Container("chaos").ToString(), "--store-key-file", key];
        Uri[] addresses = [.. FreePorts(servers).Select(port => new Uri($"http://127.0.0.1:{port}"))];
        Address = string.Join(',', addresses.Select(a => a.ToString().TrimEnd('/')));
        Servers = [.. addresses.Select((a, i) => new ClusterProcess(
            $"server-{i}", folder, ["serve", "--name", $"server-{i}", "--listen", a.ToString().TrimEnd('/'), .. StoreOptions]))];
        Workers = [.. Enumerable.Range(0, workers).Select(i => new ClusterProcess(
            $"worker-{i}", folder, ["worker", "--name", $"worker-{i}", "--server", Address, "--slots", "1", "--cache", Path.Combine(folder, $"cache-{i}")]))];
    }

    /// <summary>All servers, as <c>--server</c> takes them.</summary>
    public string Address { get; }

    public IReadOnlyList<string> StoreOptions { get; }

    public IReadOnlyList<ClusterProcess> Servers { get; }

    public IReadOnlyList<ClusterProcess> Workers { get; }

    public IEnumerable<ClusterProcess> All => Servers.Concat(Workers);

    public static async Task<ClusterProcesses> StartAsync(string folder, int servers, int workers)
    {
        var cluster = new ClusterProcesses(await AzuriteServer.StartAsync(), folder, servers, workers);
        foreach (var process in cluster.All)
            process.Start();
        return cluster;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var process in All)
            await process.DisposeAsync();
        await _azurite.DisposeAsync();
    }

    internal static List<int> FreePorts(int count)
    {
        var listeners = Enumerable.Range(0, count).Select(_ => new TcpListener(IPAddress.Loopback, 0)).ToArray();
        foreach (var listener in listeners)
            listener.Start();
        var ports = listeners.Select(l => ((IPEndPoint)l.LocalEndpoint).Port).ToList();
        foreach (var listener in listeners)
            listener.Dispose();
        return ports;
    }
}
