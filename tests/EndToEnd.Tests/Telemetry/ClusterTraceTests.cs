using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Telemetry;

namespace Orchestrator.EndToEnd.Tests.Telemetry;

/// <summary>A job of a cluster, client, server and worker each a process, all heard by one collector.</summary>
public sealed class ClusterTraceTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [AzuriteFact]
    public async Task One_trace_from_submit_to_commit_across_processes_and_no_key_or_grant_in_anything_that_is_told()
    {
        await using var azurite = await AzuriteServer.StartAsync();
        await using var collector = await OtlpReceiver.StartAsync();
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        var (tenant, tenantLine) = await KeyAsync(workspace, "tenant:vision");
        var (machine, machineLine) = await KeyAsync(workspace, "worker:machines");
        workspace.Write("keys.txt", $"{tenantLine}\n{machineLine}\n");
        workspace.Write("tenant.key", tenant);
        workspace.Write("worker.key", machine);
        workspace.Write("store.key", azurite.Key);
        var address = $"http://127.0.0.1:{FreePort()}";
        using var serve = Orc.Start(workspace.Folder, collector.Environment, "serve", "--store", azurite.Container("cluster").ToString(), "--store-key-file", "store.key", "--listen", address, "--keys", "keys.txt", "--log-format", "json");
        using var worker = Orc.Start(workspace.Folder, collector.Environment, "worker", "--server", address, "--slots", "1", "--key-file", "worker.key", "--log-format", "json");
        string told;
        try
        {
            var submitted = (await Orc.RunAsync(workspace.Folder, collector.Environment, "submit", "recipe.yaml", "--server", address, "--key-file", "tenant.key", "--watch", "--json")).Expect(0);
            told = submitted.Output + submitted.Errors + await EndAsync(worker) + await EndAsync(serve);
        }
        finally
        {
            worker.Kill();
            serve.Kill();
        }

        var submit = Assert.Single(collector.Spans, s => s.Name == "submit");
        var trace = collector.Spans.Where(s => s.Trace == submit.Trace).ToArray();
        var start = Assert.Single(trace, s => s.Name == "job start");
        Assert.Equal(("orchestrator-client", "orchestrator-server"), (submit.Service, start.Service));
        var request = Assert.Single(trace, s => s.Id == start.Parent);
        Assert.Equal(submit.Id, Assert.Single(trace, s => s.Id == request.Parent).Parent);
        var attempts = trace.Where(s => s.Name.StartsWith("attempt", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(attempts);
        Assert.All(attempts, a => Assert.Equal(("orchestrator-worker", start.Id), (a.Service, a.Parent)));
        Assert.Equal(attempts.Select(a => a.Id).ToHashSet(), trace.Where(s => s.Name == "commit").SelectMany(s => s.Links).ToHashSet());
        Assert.Contains(collector.Metrics, m => m == ("orchestrator-server", "orchestrator.leadership.role"));
        Assert.Contains(collector.Metrics, m => m == ("orchestrator-server", "orchestrator.unit.attempts"));
        Assert.Contains(collector.Metrics, m => m == ("orchestrator-worker", "orchestrator.worker.attempt.duration"));
        Assert.Contains(collector.Logs, l => l.Service == "orchestrator-worker");
        Assert.Contains("\"category\"", told, StringComparison.Ordinal);
        // Signatures of grants, as they are and within another address; and something that has to be found.
        Assert.True(collector.Heard("orchestrator-worker"));
        foreach (var secret in (string[])[tenant, machine, azurite.Key, "sig=", "sig%3D"])
        {
            Assert.DoesNotContain(secret, told, StringComparison.Ordinal);
            Assert.False(collector.Heard(secret));
        }
    }

    private static async Task<(string Key, string Line)> KeyAsync(Workspace workspace, string role)
    {
        var made = (await Orc.RunAsync(workspace.Folder, "serve", "--new-key", role, "--json")).Expect(0).Json;
        return (made.GetProperty("key").GetString()!, made.GetProperty("line").GetString()!);
    }

    /// <summary>All that it told until its end.</summary>
    private static async Task<string> EndAsync(Process process)
    {
        using var patience = new CancellationTokenSource(s_patience);
        var errors = process.StandardError.ReadToEndAsync(patience.Token);
        Signals.Send(process, "TERM");
        var output = await process.StandardOutput.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return output + await errors;
    }

    private static int FreePort()
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        return ((IPEndPoint)probe.LocalEndpoint).Port;
    }
}
