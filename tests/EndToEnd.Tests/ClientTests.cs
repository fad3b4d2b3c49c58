using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>Servers, workers and clients, each a process of its own, as a user starts them.</summary>
public sealed class ClientTests : IDisposable
{
    /// <summary>Seconds: a take-over takes 17, and machines that test are busy.</summary>
    private const string Patience = "200";

    private readonly Workspace _workspace = new();
    private readonly List<Process> _processes = [];

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            if (!process.HasExited)
                process.Kill();
            process.WaitForExit();
            process.Dispose();
        }

        _workspace.Dispose();
    }

    [Fact]
    public async Task Submit_watch_and_fetch_give_what_run_gives_whatever_wrong_is_asked_in_between()
    {
        _workspace.Write("recipe.yaml", Workspace.Recipe());
        _workspace.Write("wrong.yaml", Workspace.Recipe(model: "missing.onnx"));
        var server = Address();
        Start("serve", "--store", "store", "--listen", server);

        var submitted = (await AskAsync(server, "submit", "recipe.yaml")).Expect(0);
        var id = submitted.Json.GetProperty("job").GetProperty("id").GetString()!;
        (await AskAsync(server, "submit", "wrong.yaml")).Expect(2);
        (await AskAsync(server, "fetch", id, "--out", "early")).Expect(2);
        (await AskAsync(server, "describe", "no-such-job")).Expect(2);
        Start("worker", "--server", server, "--store", "store", "--slots", "2");
        var watched = (await AskAsync(server, "watch", id[..8])).Expect(0);
        var fetched = (await AskAsync(server, "fetch", "recipe.yaml", "--out", "fetched")).Expect(0);
        (await Orc.RunAsync(_workspace.Folder, "run", "recipe.yaml", "--store", "alone", "--out", "embedded")).Expect(0);

        Assert.Equal("succeeded", watched.Json.GetProperty("status").GetString());
        Assert.Equal(_workspace.Sha256("embedded/model.onnx"), _workspace.Sha256("fetched/model.onnx"));
        Assert.Equal(_workspace.Sha256("fetched/model.onnx"), fetched.Json.GetProperty("modelSha256").GetString());
        Assert.False(Directory.Exists(_workspace["early"]));
    }

    [Fact]
    public async Task A_watch_goes_on_when_the_active_server_is_killed_and_the_job_can_be_cancelled_at_the_one_that_takes_over()
    {
        _workspace.Write("recipe.yaml", Workspace.Recipe());
        var (first, second) = (Address(), Address());
        var servers = $"{first},{second}";
        var active = Start("serve", "--store", "store", "--listen", first, "--name", "first");
        (await AskAsync(servers, "submit", "recipe.yaml")).Expect(0);
        Start("serve", "--store", "store", "--listen", second, "--name", "second");
        using var watch = Orc.Start(_workspace.Folder, "watch", "recipe.yaml", "--server", servers, "--patience", Patience, "--json");
        // The first line of progress: it looks on.
        Assert.NotNull(await watch.StandardError.ReadLineAsync());

        active.Kill();
        var errors = watch.StandardError.ReadToEndAsync();
        (await AskAsync(servers, "cancel", "recipe.yaml")).Expect(0);
        var view = JsonDocument.Parse(await watch.StandardOutput.ReadToEndAsync()).RootElement;
        await watch.WaitForExitAsync();

        Assert.Equal(1, watch.ExitCode);
        Assert.Equal("cancelled", view.GetProperty("status").GetString());
        Assert.Contains($"The connection to {first}/ is lost", await errors, StringComparison.Ordinal);
        Assert.Contains($"{second}/ answers; the job goes on.", await errors, StringComparison.Ordinal);
    }

    private Process Start(params string[] arguments)
    {
        var process = Orc.Start(_workspace.Folder, arguments);
        _processes.Add(process);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }

    private Task<OrcResult> AskAsync(string servers, params string[] arguments) => Orc.RunAsync(_workspace.Folder, [.. arguments, "--server", servers, "--patience", Patience, "--json"]);

    private static string Address()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return $"http://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}";
    }
}
