using System.Security.Cryptography;
using System.Text.Json;
using Orchestrator.Cli.Tests.Cluster;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Verbs;

/// <summary>A job's way to a server and its results' way back: submit, watch, logs, fetch.</summary>
public sealed class SubmitVerbTests : IDisposable
{
    private static readonly WorkerView s_worker = new("w1", "available", 2, 0, ["scalar-cpu-ort1.30.0"], ["cpu: a processor"], 1, "0.1.0");

    private readonly TestFolder _folder = SampleFolder.Create();

    public SubmitVerbTests() => _folder.Write("recipe.yaml", SampleFolder.Recipe());

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Submit_sends_what_the_server_lacks_and_the_plan_that_run_would_make()
    {
        await using var server = await new FakeJobServer { Workers = [s_worker] }.StartAsync();
        using var console = Console(server);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("submit", "recipe.yaml", "--json"));

        Assert.Equal(server.JobId, console.Json.GetProperty("job").GetProperty("id").GetString());
        Assert.Equal("recipe.yaml", console.Json.GetProperty("job").GetProperty("name").GetString());
        var model = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_folder[SampleFolder.Model])));
        Assert.Contains(model, server.Inputs.Keys);
        Assert.Equal(2, server.Inputs.Count);
        Assert.Equal(server.Inputs.Values.Sum(input => (long)input.Length), console.Json.GetProperty("upload").GetProperty("sentBytes").GetInt64());
        Assert.Equal("scalar-cpu-ort1.30.0", server.Submission!.Plan.Settings.Profile);
        Assert.Equal(SampleFolder.Model, server.Submission.Sources.Model.File);

        using var run = new TestConsole(_folder.Path);
        await run.RunAsync("run", "recipe.yaml", "--dry-run", "--json", "--profile", "scalar-cpu-ort1.30.0");
        Assert.Equal(run.Json.GetProperty("job").GetString(), server.JobId);
    }

    [Fact]
    public async Task What_is_there_already_is_not_sent_again()
    {
        await using var server = await new FakeJobServer { Workers = [s_worker] }.StartAsync();
        using var first = Console(server);
        await first.RunAsync("submit", "recipe.yaml");
        using var second = Console(server);

        Assert.Equal(ExitCodes.Success, await second.RunAsync("submit", "recipe.yaml", "--name", "again", "--fresh", "--json"));

        Assert.Equal(0, second.Json.GetProperty("upload").GetProperty("sentBytes").GetInt64());
        Assert.True(second.Json.GetProperty("upload").GetProperty("presentBytes").GetInt64() > 0);
        Assert.Equal(2, server.Requests.Count(request => request.StartsWith("PUT", StringComparison.Ordinal)));
        Assert.Equal(("again", true), (server.Submission!.Name, server.Submission.Fresh));
        Assert.NotNull(server.Submission.Request);
    }

    [Fact]
    public async Task Submit_and_watch_ends_with_the_jobs_exit_code()
    {
        await using var server = await new FakeJobServer { Workers = [s_worker], Status = JobStatus.GoalMissed }.StartAsync();
        using var console = Console(server);

        Assert.Equal(ExitCodes.GoalMissed, await console.RunAsync("submit", "recipe.yaml", "--watch", "--json"));

        Assert.Equal("goalMissed", console.Json.GetProperty("job").GetProperty("status").GetString());
        Assert.Contains("layers: 1 of 40 units", console.Error, StringComparison.Ordinal);
        Assert.Contains("5.00 s left", console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_workers_the_profile_is_this_machines_and_the_wait_is_told()
    {
        await using var server = await new FakeJobServer().StartAsync();
        using var console = Console(server);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("submit", "recipe.yaml", "--json"));

        Assert.Contains("no worker has the numeric profile", console.Error, StringComparison.Ordinal);
        Assert.Contains("-cpu-ort", server.Submission!.Plan.Settings.Profile, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("submit missing.yaml", "recipe-not-found")]
    [InlineData("submit recipe.yaml --device cuda", "profile-not-available")]
    [InlineData("submit recipe.yaml --profile avx512", "profile-not-available")]
    [InlineData("submit recipe.yaml --device cpu --profile avx2-cuda-ort1.30.0", "profile-not-available")]
    [InlineData("submit recipe.yaml --device abacus", "option-invalid")]
    [InlineData("submit broken.yaml", "recipe-invalid")]
    [InlineData("fetch nothing --out here", "job-not-found")]
    [InlineData("fetch nothing --out images.npy", "job-not-found")]
    public async Task Wrong_input_ends_with_2_and_nothing_is_sent(string line, string code)
    {
        _folder.Write("broken.yaml", SampleFolder.Recipe("[{method: magic}]"));
        await using var server = await new FakeJobServer { Workers = [s_worker] }.StartAsync();
        using var console = Console(server);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync([.. line.Split(' '), "--json"]));

        Assert.Equal(code, console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Empty(server.Inputs);
        Assert.Null(server.Submission);
    }

    [Fact]
    public async Task Fetch_writes_the_files_that_run_writes()
    {
        await using var server = await SubmittedAsync(new FakeJobServer { Workers = [s_worker] });
        using var console = Console(server);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("fetch", server.JobId[..6], "--out", "here", "--json"));

        Assert.Equal(["model.onnx", "provenance.json", "report.html", "report.json"], Directory.GetFiles(_folder["here"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        Assert.Equal(server.Model, File.ReadAllBytes(_folder["here/model.onnx"]));
        Assert.Equal("succeeded", console.Json.GetProperty("status").GetString());
        Assert.Equal(40, console.Json.GetProperty("units").GetProperty("total").GetInt32());
        Assert.Equal(JsonValueKind.Null, console.Json.GetProperty("peakMemoryBytes").ValueKind);
        Assert.Contains(console.Json.GetProperty("rescues").EnumerateArray(), rescue => rescue.GetProperty("kind").GetString() == "take-over");
        using var provenance = JsonDocument.Parse(File.ReadAllText(_folder["here/provenance.json"]));
        Assert.Equal(server.JobId, provenance.RootElement.GetProperty("job").GetString());
        Assert.Equal("recipe.yaml", provenance.RootElement.GetProperty("recipe").GetProperty("file").GetString());
        Assert.Equal("1.30.0", provenance.RootElement.GetProperty("product").GetProperty("onnxRuntime").GetString());
    }

    [Fact]
    public async Task A_cancelled_job_without_a_model_gives_its_report_and_exit_code_1()
    {
        await using var server = await SubmittedAsync(new FakeJobServer { Workers = [s_worker], Status = JobStatus.Cancelled, Model = null });
        using var console = Console(server);

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("fetch", "recipe.yaml", "--out", "here", "--json"));

        Assert.Equal("cancelled", console.Json.GetProperty("status").GetString());
        Assert.False(File.Exists(_folder["here/model.onnx"]));
        Assert.True(File.Exists(_folder["here/report.json"]));
    }

    [Fact]
    public async Task A_download_that_is_damaged_once_is_asked_for_again()
    {
        await using var server = await SubmittedAsync(new FakeJobServer { Workers = [s_worker], Wire = (asked, model) => asked == 1 ? [9, 9, 9, 9, 9] : model });
        using var console = Console(server);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("fetch", "recipe.yaml", "--out", "here", "--json"));

        Assert.Equal(server.Model, File.ReadAllBytes(_folder["here/model.onnx"]));
        Assert.Contains("damaged", console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_download_that_stays_damaged_leaves_what_was_there()
    {
        _folder.Write("here/model.onnx", "an older one");
        await using var server = await SubmittedAsync(new FakeJobServer { Workers = [s_worker], Wire = (_, model) => [.. model, 7] });
        using var console = Console(server);

        Assert.Equal(ExitCodes.Failed, await console.RunAsync("fetch", "recipe.yaml", "--out", "here", "--json"));

        Assert.Equal("download-damaged", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(["model.onnx"], Directory.GetFiles(_folder["here"]).Select(file => Path.GetFileName(file)));
        Assert.Equal("an older one", File.ReadAllText(_folder["here/model.onnx"]));
    }

    [Fact]
    public async Task Who_stops_watching_leaves_the_job_running()
    {
        using var stop = new CancellationTokenSource();
        await using var server = await SubmittedAsync(new FakeJobServer
        {
            Workers = [s_worker],
            Before = async context =>
            {
                if (!context.Request.Path.Value!.EndsWith("/watch", StringComparison.Ordinal))
                    return false;
                await FakeServer.LinesAsync(context, SampleJobs.Running);
                await stop.CancelAsync();
                await new TaskCompletionSource().Task.WaitAsync(context.RequestAborted);
                return true;
            },
        });
        using var console = new TestConsole(_folder.Path) { Interruption = stop.Token, Variables = { ["ORC_SERVER"] = server.Address } };

        Assert.Equal(ExitCodes.Interrupted, await console.RunAsync("watch", "recipe.yaml", "--json"));

        Assert.Equal("interrupted", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("the job goes on", console.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(server.Requests, request => request.Contains("cancel", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Logs_as_json_are_an_object_a_line()
    {
        JobLogLine[] lines = [new(SampleJobs.Noon, "submitted", null, "'recipe.yaml' was submitted."), new(SampleJobs.Noon.AddSeconds(9), "retry", "/fc/Gemm", "the lease ended")];
        await using var server = await SubmittedAsync(new FakeJobServer
        {
            Workers = [s_worker],
            Before = async context =>
            {
                if (!context.Request.Path.Value!.EndsWith("/logs", StringComparison.Ordinal))
                    return false;
                await FakeServer.LinesAsync(context, lines);
                return true;
            },
        });
        using var people = Console(server);
        using var program = Console(server);

        Assert.Equal(ExitCodes.Success, await people.RunAsync("logs", "recipe.yaml"));
        Assert.Equal(ExitCodes.Success, await program.RunAsync("logs", "recipe.yaml", "--json"));

        Assert.Equal(["2026-11-25 12:00:00Z submitted: 'recipe.yaml' was submitted.", "2026-11-25 12:00:09Z retry /fc/Gemm: the lease ended"], people.Output.Trim().Split('\n'));
        var objects = program.Output.Trim().Split('\n').Select(line => JsonDocument.Parse(line).RootElement).ToList();
        Assert.Equal(["submitted", "retry"], objects.Select(line => line.GetProperty("kind").GetString()));
    }

    private TestConsole Console(FakeJobServer server) => new(_folder.Path) { Variables = { ["ORC_SERVER"] = server.Address } };

    private async Task<FakeJobServer> SubmittedAsync(FakeJobServer server)
    {
        await server.StartAsync();
        using var console = Console(server);
        Assert.Equal(ExitCodes.Success, await console.RunAsync("submit", "recipe.yaml"));
        return server;
    }
}
