using System.Diagnostics;
using System.Text.Json;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>What users are told when something beside the job fails, and that it goes on without them where it can. <c>tests/outage.sh</c> takes the store away for a minute.</summary>
public sealed class FaultTests
{
    private const int WrongInput = 2;

    /// <summary>Seconds; the server asks a worker to use a grant no more 10 s before it ends.</summary>
    private const int Grant = 12;

    /// <summary>KiB; the model is larger, and what the units write is smaller.</summary>
    private const int FileLimit = 1000;

    /// <summary>The larger layers take longer than the faults.</summary>
    private const string Small = "layers: [{match: \"/blocks/blocks.3/*\", skip: true}, {match: \"/blocks/blocks.4/*\", skip: true}, {match: \"/blocks/blocks.5/*\", skip: true}]";

    /// <summary>Under way for longer than it takes to pause it.</summary>
    private const string Larger = "layers: [{match: \"/blocks/blocks.5/*\", skip: true}]";

    /// <summary>At least as long as it takes until it is told.</summary>
    private static readonly TimeSpan s_outage = TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("ORC_OUTAGE_SECONDS"), out var seconds) ? seconds : 0);

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);

    [AzuriteFact]
    public async Task A_store_that_is_away_is_told_and_the_job_goes_on_by_itself_with_grants_that_ended_meanwhile()
    {
        using var workspace = new Workspace();
        await using var azurite = await AzuriteServer.StartAsync();
        await using var server = CloudServer(workspace, azurite, ["--grant", $"{Grant}"], out var address);
        await using var paused = Worker(workspace, address, "paused");
        await using var other = Worker(workspace, address, "other");
        foreach (var process in new[] { server, paused, other })
            process.Start();
        var job = await SubmitAsync(workspace, address, "[{method: obq, bits: 3}]");
        await UntilAsync(workspace, address, "describe", job, told => told.GetProperty("job").GetProperty("unitsDone").GetInt32() >= 3);

        await paused.PauseAsync();
        await SignalAsync("STOP", azurite.ProcessId);
        var away = Stopwatch.StartNew();
        string explained, described;
        try
        {
            explained = await UntilToldAsync(workspace, address, "explain", job);
            described = await UntilToldAsync(workspace, address, "describe", job);
            while (away.Elapsed < s_outage)
                described = await UntilToldAsync(workspace, address, "describe", job);
        }
        finally
        {
            await SignalAsync("CONT", azurite.ProcessId);
        }

        await paused.ContinueAsync();
        Assert.All([explained, described], told =>
        {
            Assert.Contains("The store does not answer", told, StringComparison.Ordinal);
            Assert.Contains("jobs go on by themselves", told, StringComparison.Ordinal);
        });
        await ExpectModelAsync(workspace, address, job);
    }

    [AzuriteFact]
    public async Task A_wrong_key_and_a_full_disk_are_told_and_another_worker_ends_the_job()
    {
        using var workspace = new Workspace();
        await using var azurite = await AzuriteServer.StartAsync();
        var (tenant, machine) = (await KeyAsync(workspace, "tenant", "vision"), await KeyAsync(workspace, "worker", "machines"));
        workspace.Write("keys.txt", $"{tenant}\n{machine}\n");
        workspace.Write("wrong.key", new string('x', 43));
        await using var server = CloudServer(workspace, azurite, ["--keys", "keys.txt"], out var address);
        await using var stranger = Worker(workspace, address, "stranger", ["--key-file", "wrong.key"]);
        await using var full = Worker(workspace, address, "full", ["--key-file", "worker.key", "--cache", workspace["cache"]], FileLimit);
        await using var sound = Worker(workspace, address, "sound", ["--key-file", "worker.key"]);
        server.Start();
        var job = await SubmitAsync(workspace, address, "[{method: rtn, bits: 4}]");
        stranger.Start();
        using (var patience = new CancellationTokenSource(s_patience))
            await stranger.EndAsync(patience.Token);

        Assert.Equal(WrongInput, stranger.ExitCode);
        Assert.Contains(stranger.Lines, line => line.Contains("the server refuses the key", StringComparison.Ordinal));
        await ExpectAlikeAsync(workspace, address, job, "no-worker", "whose key is not one of a worker", "--key-file");

        full.Start();
        await ExpectAlikeAsync(workspace, address, job, null, "(disk-full)", "Free some space");
        sound.Start();
        await ExpectModelAsync(workspace, address, job);
        var incidents = (await AskAsync(workspace, address, "describe", job)).Json.GetProperty("incidents").ToString();
        Assert.Contains("has no room for", incidents, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Damaged_blobs_are_told_and_what_made_them_runs_again()
    {
        using var workspace = new Workspace();
        var address = Address();
        await using var server = new ClusterProcess("server", workspace.Folder, ["serve", "--listen", address, "--store", "cluster"]);
        await using var worker = Worker(workspace, address, "worker", ["--store", "cluster"]);
        server.Start();
        worker.Start();
        var job = await SubmitAsync(workspace, address, "[{method: obq, bits: 3}]", Larger);
        await UntilAsync(workspace, address, "describe", job, told => told.GetProperty("job").GetProperty("unitsDone").GetInt32() >= 1);
        (await AskAsync(workspace, address, "pause", job)).Expect(0);

        var blobs = Directory.GetFiles(workspace["cluster"], "*", SearchOption.AllDirectories).Where(file => file.Contains("/attempts/", StringComparison.Ordinal)).ToArray();
        Assert.DoesNotContain(blobs, blob => Path.GetFileName(blob) == "model");
        Assert.NotEmpty(blobs);
        Assert.All(blobs, Flip);
        (await AskAsync(workspace, address, "resume", job)).Expect(0);

        await ExpectModelAsync(workspace, address, job);
        var described = (await AskAsync(workspace, address, "describe", job)).Json;
        Assert.Contains(described.GetProperty("incidents").EnumerateArray(), line => line.GetProperty("kind").GetString() == "damaged");
    }

    /// <summary>Explain and describe tell the same.</summary>
    private static async Task ExpectAlikeAsync(Workspace workspace, string address, string job, string? code, string message, string next)
    {
        var explained = await UntilAsync(workspace, address, "explain", job, told => IsTold(told, code, message));
        Assert.Contains(next, explained.GetProperty("nextStep").GetString(), StringComparison.Ordinal);
        var described = await UntilAsync(workspace, address, "describe", job, told => IsTold(told.GetProperty("why"), code, message));
        Assert.Contains(next, described.GetProperty("why").GetProperty("nextStep").GetString(), StringComparison.Ordinal);
    }

    private static bool IsTold(JsonElement told, string? code, string message) =>
        (code is null || told.GetProperty("code").GetString() == code) && told.GetProperty("message").GetString()!.Contains(message, StringComparison.Ordinal);

    private static async Task<string> UntilToldAsync(Workspace workspace, string address, string verb, string job)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var result = await Orc.RunAsync(workspace.Folder, verb, job, "--server", address, "--patience", "0", "--json");
            if (result.Output.Contains("\"store-unavailable\"", StringComparison.Ordinal))
                return result.Output;
            Assert.True(clock.Elapsed < s_patience, $"{result.Output}\n{result.Errors}");
        }
    }

    private static async Task<JsonElement> UntilAsync(Workspace workspace, string address, string verb, string job, Func<JsonElement, bool> isSo)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var told = (await AskAsync(workspace, address, verb, job)).Expect(0);
            if (isSo(told.Json))
                return told.Json;
            Assert.True(clock.Elapsed < s_patience, told.Output);
        }
    }

    private static async Task ExpectModelAsync(Workspace workspace, string address, string job)
    {
        var embedded = Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "embedded", "--out", "embedded-out");
        (await AskAsync(workspace, address, "watch", job)).Expect(0);
        (await Orc.RunAsync(workspace.Folder, ["fetch", job, "--server", address, "--out", "fetched", .. Key(workspace)])).Expect(0);
        (await embedded).Expect(0);
        Assert.Equal(workspace.Sha256("embedded-out/model.onnx"), workspace.Sha256("fetched/model.onnx"));
    }

    private static async Task<string> SubmitAsync(Workspace workspace, string address, string compress, string layers = Small)
    {
        workspace.Write("recipe.yaml", Workspace.Recipe(compress, rest: layers));
        return (await Orc.RunAsync(workspace.Folder, ["submit", "recipe.yaml", "--server", address, "--json", .. Key(workspace)])).Expect(0).Json
            .GetProperty("job").GetProperty("id").GetString()!;
    }

    private static Task<OrcResult> AskAsync(Workspace workspace, string address, string verb, string job) =>
        Orc.RunAsync(workspace.Folder, [verb, job, "--server", address, "--json", .. Key(workspace)]);

    private static string[] Key(Workspace workspace) => File.Exists(workspace["tenant.key"]) ? ["--key-file", "tenant.key"] : [];

    /// <returns>The line for the server.</returns>
    private static async Task<string> KeyAsync(Workspace workspace, string role, string name)
    {
        var made = (await Orc.RunAsync(workspace.Folder, "serve", "--new-key", $"{role}:{name}", "--json")).Expect(0).Json;
        workspace.Write($"{role}.key", made.GetProperty("key").GetString()!);
        return made.GetProperty("line").GetString()!;
    }

    private static ClusterProcess CloudServer(Workspace workspace, AzuriteServer azurite, string[] options, out string address)
    {
        workspace.Write("store.key", azurite.Key);
        address = Address();
        return new ClusterProcess("server", workspace.Folder, ["serve", "--listen", address, "--store", azurite.Container("faults").ToString(), "--store-key-file", "store.key", .. options]);
    }

    private static ClusterProcess Worker(Workspace workspace, string address, string name, string[]? options = null, int? fileLimit = null) =>
        new(name, workspace.Folder, ["worker", "--server", address, "--slots", "1", "--name", name, .. options ?? []], fileLimit);

    private static string Address() => $"http://127.0.0.1:{ClusterProcesses.FreePorts(1)[0]}";

    private static void Flip(string file)
    {
        var content = File.ReadAllBytes(file);
        if (content.Length == 0)
            return;
        content[content.Length / 2] ^= 1;
        File.WriteAllBytes(file, content);
    }

    private static async Task SignalAsync(string signal, int process)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process}"]);
        await kill.WaitForExitAsync();
    }
}
