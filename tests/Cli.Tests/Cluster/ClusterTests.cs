using Orchestrator.Cli.Running;

namespace Orchestrator.Cli.Tests.Cluster;

/// <summary>The client's verbs against servers and a worker that are real, in one process.</summary>
public sealed class ClusterTests : IDisposable
{
    private static readonly string s_profile = NumericProfiles.Choose("cpu", null);

    private readonly TestFolder _folder = SampleFolder.Create();

    public ClusterTests() => _folder.Write("recipe.yaml", SampleFolder.Recipe());

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_job_comes_back_as_run_makes_it_whatever_else_is_asked_in_between()
    {
        await using var cluster = new TestCluster();
        cluster.StartServer();

        using var submit = await RunAsync(cluster, ExitCodes.Success, "submit recipe.yaml");
        var id = submit.Json.GetProperty("job").GetProperty("id").GetString()!;
        using var early = await RunAsync(cluster, ExitCodes.WrongInput, $"fetch {id} --out early");
        Assert.False(Directory.Exists(_folder["early"]));
        using var unknown = await RunAsync(cluster, ExitCodes.WrongInput, "cancel 0000");
        _folder.Write("wrong.yaml", SampleFolder.Recipe("[{method: rtn, bits: 99}]"));
        using var wrong = await RunAsync(cluster, ExitCodes.WrongInput, "submit wrong.yaml");
        // On a busy machine the job may not have been started yet.
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        string? code;
        do
        {
            using var waiting = await RunAsync(cluster, ExitCodes.Success, $"explain {id}");
            code = waiting.Json.GetProperty("code").GetString();
        }
        while (code == "starting" && !patience.IsCancellationRequested);
        Assert.Equal("no-worker", code);
        cluster.StartWorker(s_profile);
        using var again = await RunAsync(cluster, ExitCodes.Success, "submit recipe.yaml");
        Assert.Equal(id, again.Json.GetProperty("job").GetProperty("id").GetString());
        using var watch = await RunAsync(cluster, ExitCodes.Success, $"watch {id[..5]}");
        Assert.Equal("succeeded", watch.Json.GetProperty("status").GetString());
        using var late = await RunAsync(cluster, ExitCodes.WrongInput, $"pause {id}");
        using var fetch = await RunAsync(cluster, ExitCodes.Success, "fetch recipe.yaml --out here");
        using var list = await RunAsync(cluster, ExitCodes.Success, "list");
        Assert.Single(list.Json.GetProperty("jobs").EnumerateArray());

        using var run = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await run.RunAsync("run", "recipe.yaml", "--out", "there"));
        Assert.Equal(File.ReadAllBytes(_folder["there/model.onnx"]), File.ReadAllBytes(_folder["here/model.onnx"]));
        Assert.Equal(["model.onnx", "provenance.json", "report.html", "report.json"], Directory.GetFiles(_folder["here"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_job_is_paused_goes_on_is_cancelled_and_runs_again()
    {
        await using var cluster = new TestCluster();
        cluster.StartServer();
        using var submit = await RunAsync(cluster, ExitCodes.Success, "submit recipe.yaml --name nightly");

        using var pause = await RunAsync(cluster, ExitCodes.Success, "pause nightly");
        Assert.Equal("paused", pause.Json.GetProperty("state").GetString());
        using var resume = await RunAsync(cluster, ExitCodes.Success, "resume nightly");
        Assert.NotEqual("paused", resume.Json.GetProperty("state").GetString());
        using var cancel = await RunAsync(cluster, ExitCodes.Success, "cancel nightly");
        Assert.Equal("cancelled", cancel.Json.GetProperty("status").GetString());
        using var watch = await RunAsync(cluster, ExitCodes.Failed, "watch nightly");
        using var fetch = await RunAsync(cluster, ExitCodes.Failed, "fetch nightly --out here");
        Assert.Equal("cancelled", fetch.Json.GetProperty("status").GetString());
        using var retry = await RunAsync(cluster, ExitCodes.Success, "retry nightly");
        cluster.StartWorker(s_profile);
        using var end = await RunAsync(cluster, ExitCodes.Success, "watch nightly");
        using var logs = await RunAsync(cluster, ExitCodes.Success, "logs nightly -f");

        Assert.Contains("\"kind\":\"submitted\"", logs.Output.Split('\n')[0], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_watch_goes_on_when_another_server_takes_over()
    {
        await using var cluster = new TestCluster();
        var first = cluster.StartServer();
        using var submit = await RunAsync(cluster, ExitCodes.Success, "submit recipe.yaml");
        cluster.StartServer();
        var watching = RunAsync(cluster, ExitCodes.Success, "watch recipe.yaml");

        await first.StopAsync();
        cluster.StartWorker(s_profile);
        using var watch = await watching;
        using var fetch = await RunAsync(cluster, ExitCodes.Success, "fetch recipe.yaml --out here");

        Assert.Equal("succeeded", watch.Json.GetProperty("status").GetString());
    }

    [Fact]
    public async Task Whoever_has_a_key_sees_the_jobs_of_its_tenant_alone()
    {
        await using var cluster = new TestCluster();
        using var one = new TestConsole();
        using var other = new TestConsole();
        await one.RunAsync("serve", "--new-key", "tenant:one", "--json");
        await other.RunAsync("serve", "--new-key", "tenant:other", "--json");
        _folder.Write("one.key", one.Json.GetProperty("key").GetString()!);
        _folder.Write("other.key", other.Json.GetProperty("key").GetString()!);
        _folder.Write("wrong.key", "wrong");
        cluster.StartServer($"{one.Json.GetProperty("line").GetString()}\n{other.Json.GetProperty("line").GetString()}\n");

        using var submit = await RunAsync(cluster, ExitCodes.Success, "submit recipe.yaml --key-file one.key");
        using var mine = await RunAsync(cluster, ExitCodes.Success, "list --key-file one.key");
        using var theirs = await RunAsync(cluster, ExitCodes.Success, "list --key-file other.key");
        using var hidden = await RunAsync(cluster, ExitCodes.WrongInput, $"cancel {submit.Json.GetProperty("job").GetProperty("id").GetString()} --key-file other.key");
        using var wrong = await RunAsync(cluster, ExitCodes.WrongInput, "list --key-file wrong.key");
        using var none = await RunAsync(cluster, ExitCodes.WrongInput, "list");

        Assert.Single(mine.Json.GetProperty("jobs").EnumerateArray());
        Assert.Empty(theirs.Json.GetProperty("jobs").EnumerateArray());
        Assert.Equal("key-unknown", wrong.Json.GetProperty("error").GetProperty("code").GetString());
    }

    private async Task<TestConsole> RunAsync(TestCluster cluster, int code, string line)
    {
        var console = new TestConsole(_folder.Path) { Variables = { ["ORC_SERVER"] = cluster.Addresses } };
        var ended = await console.RunAsync([.. line.Split(' '), "--json"]);
        Assert.True(ended == code, $"`{line}` ended with {ended}, not {code}:\n{console.Output}\n{console.Error}");
        return console;
    }
}
