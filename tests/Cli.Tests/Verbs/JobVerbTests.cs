using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Orchestrator.Cli.Tests.Cluster;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Verbs;

/// <summary>The verbs that ask a server about a job or for something to be done with it.</summary>
public sealed class JobVerbTests : IDisposable
{
    private readonly TestConsole _console = new();

    public void Dispose() => _console.Dispose();

    [Fact]
    public async Task List_shows_jobs_in_a_table()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("list", server));

        GoldenFile.Matches("list.txt", _console.Output);
        Assert.Empty(_console.Error);
    }

    [Fact]
    public async Task List_as_json_holds_the_jobs_of_the_state_that_is_asked_for()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("list --state ended --json", server));

        var jobs = _console.Json.GetProperty("jobs");
        Assert.Equal([SampleJobs.Succeeded.Id, SampleJobs.Failed.Id], jobs.EnumerateArray().Select(job => job.GetProperty("id").GetString()));
        Assert.Equal("succeeded", jobs[0].GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, jobs[0].GetProperty("reason").ValueKind);
    }

    [Fact]
    public async Task List_of_nothing_says_so()
    {
        await using var server = await FakeServer.AnswersAsync(new() { [$"GET {Routes.Jobs}"] = FakeServer.Json(Array.Empty<JobView>()) });

        Assert.Equal(ExitCodes.Success, await RunAsync("list", server));

        Assert.Equal("No jobs.", _console.Output.Trim());
    }

    [Fact]
    public async Task Describe_shows_units_under_way_and_what_happened()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("describe 3f9a", server));

        GoldenFile.Matches("describe.txt", _console.Output);
    }

    [Fact]
    public async Task Describe_as_json_is_the_servers_answer()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("describe resnet.yaml --json", server));

        Assert.Equal(SampleJobs.Running.Id, _console.Json.GetProperty("job").GetProperty("id").GetString());
        Assert.Equal("gpu-1", _console.Json.GetProperty("leases")[0].GetProperty("worker").GetString());
        Assert.Equal("retry", _console.Json.GetProperty("incidents")[0].GetProperty("kind").GetString());
    }

    [Fact]
    public async Task Explain_says_why_and_what_to_do()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("explain 3f9a", server));

        GoldenFile.Matches("explain.txt", _console.Output);
    }

    [Fact]
    public async Task Explain_as_json_has_code_message_next_step_and_units()
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.Success, await RunAsync("explain 3f9a --json", server));

        Assert.Equal(["code", "message", "nextStep", "units"], _console.Json.EnumerateObject().Select(member => member.Name));
        Assert.Equal("ab12", _console.Json.GetProperty("units")[0].GetProperty("fingerprint").GetString());
    }

    [Theory]
    [InlineData("pause", "paused")]
    [InlineData("resume", "running")]
    [InlineData("cancel", "ended")]
    [InlineData("retry", "running")]
    public async Task An_act_is_asked_for_once_and_the_job_shown_as_it_then_stands(string verb, string state)
    {
        var after = SampleJobs.Running with { State = Enum.Parse<JobState>(state, ignoreCase: true) };
        await using var server = await StartAsync(new() { [$"POST {Routes.Act(SampleJobs.Running.Id, verb)}"] = FakeServer.Json(after) });

        Assert.Equal(ExitCodes.Success, await RunAsync($"{verb} 3f9a --json", server));

        Assert.Equal(state, _console.Json.GetProperty("state").GetString());
        Assert.Contains(SampleJobs.Running.Id, _console.Error, StringComparison.Ordinal);
        Assert.Single(server.Requests, request => request.StartsWith("POST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_the_server_refuses_is_wrong_input()
    {
        await using var server = await StartAsync(new()
        {
            [$"POST {Routes.Act(SampleJobs.Succeeded.Id, "pause")}"] = context => FakeServer.RefuseAsync(context, 409, new ProblemBody("job-succeeded", "The job is succeeded: `pause` does nothing to it.", "77aa", "See `orc describe`.")),
        });

        Assert.Equal(ExitCodes.WrongInput, await RunAsync("pause 77 --json", server));

        Assert.Equal("job-succeeded", ErrorCode());
    }

    [Theory]
    [InlineData("describe 3f9", "job-ambiguous")]
    [InlineData("describe nothing", "job-not-found")]
    [InlineData("cancel decoder.yaml", "job-ambiguous")]
    [InlineData("list --state sleeping", "option-invalid")]
    [InlineData("list --patience -1", "option-invalid")]
    public async Task A_job_that_is_not_clear_ends_with_2_and_nothing_is_asked_for(string line, string code)
    {
        await using var server = await StartAsync();

        Assert.Equal(ExitCodes.WrongInput, await RunAsync(line + " --json", server));

        Assert.Equal(code, ErrorCode());
        Assert.DoesNotContain(server.Requests, request => request.StartsWith("POST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_wrong_key_is_wrong_input_and_is_not_shown()
    {
        using var folder = new TestFolder();
        folder.Write("key", "the-wrong-one");
        await using var server = await FakeServer.StartAsync(context => FakeServer.RefuseAsync(context, 401, new ProblemBody("key-unknown", "Nobody has this key.", "Authorization", "Give the key of a tenant with --key-file.")));
        using var console = new TestConsole(folder.Path) { Variables = { ["ORC_SERVER"] = server.Address, ["ORC_KEY_FILE"] = "key" } };

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync("list", "--json"));

        Assert.Equal("key-unknown", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.DoesNotContain("the-wrong-one", console.Output + console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_away_is_no_fault_of_the_users()
    {
        Assert.Equal(ExitCodes.Failed, await _console.RunAsync("list", "--json", "--patience", "0", "--server", await FakeServer.NowhereAsync()));

        Assert.Equal("server-away", ErrorCode());
    }

    [Theory]
    [InlineData("list")]
    [InlineData("list --server ftp://somewhere")]
    [InlineData("list --server localhost:7070")]
    [InlineData("list --server http://user:secret@localhost")]
    [InlineData("list --server http://localhost/?key=secret")]
    public async Task A_missing_or_wrong_address_is_wrong_input(string line)
    {
        Assert.Equal(ExitCodes.WrongInput, await _console.RunAsync([.. line.Split(' '), "--json"]));

        Assert.Equal("option-invalid", ErrorCode());
        Assert.Equal("--server", _console.Json.GetProperty("error").GetProperty("subject").GetString());
    }

    private string? ErrorCode() => _console.Json.GetProperty("error").GetProperty("code").GetString();

    private Task<int> RunAsync(string line, FakeServer server) => _console.RunAsync([.. line.Split(' '), "--server", server.Address, .. line.Contains("--patience", StringComparison.Ordinal) ? Array.Empty<string>() : ["--patience", "0"]]);

    private static Task<FakeServer> StartAsync(Dictionary<string, RequestDelegate>? more = null)
    {
        var id = SampleJobs.Running.Id;
        var answers = new Dictionary<string, RequestDelegate>(more ?? [])
        {
            [$"GET {Routes.Jobs}"] = FakeServer.Json(SampleJobs.All),
            [$"GET {Routes.Job(id)}"] = FakeServer.Json(new JobDescription(
                SampleJobs.Running, "fashion_resnet14.onnx", "avx2-cpu-ort1.30.0", ["/fc/Gemm"], [new LeaseView("rows:/fc/Gemm:solve:3", "gpu-1", "2.17", 0.5, 12.3)],
                [new JobLogLine(SampleJobs.Noon, "retry", "/fc/Gemm", "the lease ended; it is tried again")])),
            [$"GET {Routes.Explain(id)}"] = FakeServer.Json(new JobExplanation(
                "quarantined", "One unit was given up.", "Use `orc retry`.", [new UnitExplanation("rows:/fc/Gemm:solve:3", "quarantined", "five attempts failed", 5, "ab12")])),
        };
        return FakeServer.AnswersAsync(answers);
    }
}
