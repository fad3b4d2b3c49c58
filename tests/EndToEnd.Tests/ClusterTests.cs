using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>A server and workers as processes of their own, as a user starts them.</summary>
public sealed class ClusterTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [Fact]
    public async Task Two_workers_make_the_model_that_one_process_makes_and_drain_when_asked_to()
    {
        using var workspace = new Workspace();
        await RunAsync(workspace, ["--store", "cluster"], ["--store", "cluster"]);
    }

    [AzuriteFact]
    public async Task Workers_that_hold_no_credentials_of_the_store_work_with_what_the_server_grants()
    {
        await using var azurite = await AzuriteServer.StartAsync();
        using var workspace = new Workspace();
        workspace.Write("store.key", azurite.Key);
        await RunAsync(workspace, ["--store", azurite.Container("cluster").ToString(), "--store-key-file", "store.key"], []);
    }

    /// <param name="serverStore">The server's store, as its options say.</param>
    /// <param name="workerStore">As the workers are told.</param>
    private static async Task RunAsync(Workspace workspace, string[] serverStore, string[] workerStore)
    {
        workspace.Write("recipe.yaml", Workspace.Recipe());
        var server = $"http://127.0.0.1:{FreePort()}";
        using var serve = Orc.Start(workspace.Folder, ["serve", "--listen", server, .. serverStore]);
        using var one = Worker(workspace, server, "one", workerStore);
        using var two = Worker(workspace, server, "two", workerStore);
        try
        {
            var submitted = (await Orc.RunAsync(workspace.Folder, "submit", "recipe.yaml", "--server", server, "--watch", "--json")).Expect(0).Json;
            var job = submitted.GetProperty("job");
            (await Orc.RunAsync(workspace.Folder, "fetch", job.GetProperty("id").GetString()!, "--server", server, "--out", "fetched")).Expect(0);
            var embedded = Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--out", "embedded");
            var (first, second) = (await DrainAsync(one), await DrainAsync(two));
            (await embedded).Expect(0);

            Assert.Equal(workspace.Sha256("embedded/model.onnx"), workspace.Sha256("fetched/model.onnx"));
            Assert.Equal(job.GetProperty("unitsTotal").GetInt32(), first.GetProperty("units").GetInt32() + second.GetProperty("units").GetInt32());
            Assert.Equal((0, 0), (first.GetProperty("failed").GetInt32(), second.GetProperty("failed").GetInt32()));
        }
        finally
        {
            foreach (var process in new[] { one, two, serve })
                process.Kill();
        }
    }

    private static Process Worker(Workspace workspace, string server, string name, string[] store) =>
        Orc.Start(workspace.Folder, ["worker", "--server", server, "--slots", "1", "--name", name, "--json", .. store]);

    private static async Task<JsonElement> DrainAsync(Process worker)
    {
        using var patience = new CancellationTokenSource(s_patience);
        var errors = worker.StandardError.ReadToEndAsync(patience.Token);
        Signals.Send(worker, "TERM");
        var output = await worker.StandardOutput.ReadToEndAsync(patience.Token);
        await worker.WaitForExitAsync(patience.Token);
        Assert.True(worker.ExitCode == 0, await errors);
        return JsonDocument.Parse(output).RootElement;
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
