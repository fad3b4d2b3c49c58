using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

/// <summary>A server that takes inputs and a job in and has its end ready: what comes in and goes out is real, nothing is computed.</summary>
internal sealed class FakeJobServer : IAsyncDisposable
{
    private FakeServer _server = null!;

    /// <summary>Inputs by their SHA-256.</summary>
    public ConcurrentDictionary<string, byte[]> Inputs { get; } = [];

    public JobSubmission? Submission { get; private set; }

    public IReadOnlyList<WorkerView> Workers { get; init; } = [];

    public JobStatus Status { get; init; } = JobStatus.Succeeded;

    /// <summary>The model as committed; null for none.</summary>
    public byte[]? Model { get; init; } = [1, 2, 3, 4];

    /// <summary>What is sent of the model, by how often it was asked for.</summary>
    public Func<int, byte[], byte[]> Wire { get; init; } = (_, model) => model;

    /// <summary>Answers that go before all others; false lets the others answer.</summary>
    public Func<HttpContext, Task<bool>> Before { get; init; } = _ => Task.FromResult(false);

    public string Address => _server.Address;

    public IReadOnlyList<string> Requests => _server.Requests;

    public string JobId => Submission!.Plan.ComputeJobId();

    public JobView View => SampleJobs.Succeeded with { Id = JobId, Name = Submission!.Name, Status = Status };

    private int _asked;

    public async Task<FakeJobServer> StartAsync()
    {
        _server = await FakeServer.StartAsync(AnswerAsync);
        return this;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        if (await Before(context))
            return;
        var request = $"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}";
        if (context.Request.Path.StartsWithSegments(Routes.Inputs))
            await InputAsync(context, context.Request.Path.Value!.Split('/')[^1]);
        else if (request == $"GET {Routes.Workers}")
            await FakeServer.WriteAsync(context, 200, Workers);
        else if (request == $"GET {Routes.Server}")
            await FakeServer.WriteAsync(context, 200, new ServerView("one", "0.1.0", ServerRole.Active, null, 1));
        else if (request == $"GET {Routes.Jobs}")
            await FakeServer.WriteAsync(context, 200, Submission is null ? [] : new[] { View });
        else if (request == $"POST {Routes.Jobs}")
            await SubmitAsync(context);
        else if (Submission is not null && request == $"GET {Routes.Watch(JobId)}")
            await FakeServer.LinesAsync(context, View with { State = JobState.Running, Status = null, UnitsDone = 1, Progress = 0.1, Phase = "layers", SecondsLeft = 5 }, View);
        else if (Submission is not null && request == $"GET {Routes.Outcome(JobId)}")
            await FakeServer.WriteAsync(context, 200, Outcome());
        else if (Submission is not null && request == $"GET {Routes.Model(JobId)}")
            await context.Response.Body.WriteAsync(Wire(Interlocked.Increment(ref _asked), Model!));
        else
            await FakeServer.RefuseAsync(context, 404, new ProblemBody("job-not-found", "There is no such job.", context.Request.Path, "See `orc list`."));
    }

    private async Task InputAsync(HttpContext context, string sha256)
    {
        if (context.Request.Method == HttpMethods.Head)
        {
            context.Response.StatusCode = Inputs.ContainsKey(sha256) ? 200 : 404;
            return;
        }

        using var content = new MemoryStream();
        await context.Request.Body.CopyToAsync(content);
        Assert.Equal(context.Request.ContentLength, content.Length);
        Assert.Equal(sha256, Convert.ToHexStringLower(SHA256.HashData(content.ToArray())));
        Inputs[sha256] = content.ToArray();
    }

    private async Task SubmitAsync(HttpContext context)
    {
        Submission = await JsonSerializer.DeserializeAsync<JobSubmission>(context.Request.Body, CanonicalJson.Options);
        await FakeServer.WriteAsync(context, 200, View with { State = JobState.Queued, Status = null, UnitsDone = 0, Progress = 0, Phase = null });
    }

    private JobOutcome Outcome()
    {
        var model = Model is null ? null : new BlobRef("local/model", Convert.ToHexStringLower(SHA256.HashData(Model)), Model.Length);
        var summary = new JobSummary { Layers = [], Computed = 30, Reused = 10, ModelBytes = Model?.Length };
        var result = new JobResult(Status, Status == JobStatus.Succeeded ? null : "the user's wish", new JobPlace("local", JobId, 0, 0), model, summary, "fold");
        return new JobOutcome(result, Submission!.Plan, Submission.Outline, Submission.Sources, SampleJobs.Noon, SampleJobs.Noon.AddMinutes(3), 175, [new Rescue(null, "take-over", "another server went on")]);
    }
}
