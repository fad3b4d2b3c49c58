using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Telemetry;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Telemetry;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Telemetry;

namespace Orchestrator.Worker.Tests.Telemetry;

public sealed class WholeJobTelemetryTests : IDisposable
{
    /// <summary>Every label of every metric with all its values. A number or a name that grows with use has no place here.</summary>
    private static readonly Dictionary<string, string[]> s_allowed = new()
    {
        [Labels.Kind] = ["outline", "statistics", "rows", "select", "reconstruct", "assemble", "evaluate"],
        [Labels.Result] = [Labels.Success, Labels.Failure, Labels.Error, Labels.Timeout, Labels.Cancellation, Labels.Conflict],
        [Labels.Cause] = ["failure", "preemption", "controller", "upgrade", "out-of-memory", "disk-full", "server-lost", "draining"],
        [Labels.Blob] = ["head", "tensor", "input", "commit", "document"],
        [Labels.Pipeline] = ["blob", "blob-read", "blob-write", "blob-attempt"],
    };

    private readonly JobTelemetry _telemetry = new();

    public void Dispose() => _telemetry.Dispose();

    [Fact]
    public async Task Labels_are_closed_sets_and_name_no_tenant_job_or_unit()
    {
        await RunAsync(new EchoRunner(FailsOnce("select")));

        Assert.NotEmpty(_telemetry.Metrics.Measurements);
        Assert.All(_telemetry.Metrics.Observe().Measurements, m => Assert.All(m.Labels, label =>
        {
            Assert.True(s_allowed.TryGetValue(label.Key, out var values), $"{m.Instrument} has a label {label.Key}.");
            Assert.True(values.Contains(label.Value), $"{m.Instrument} has {label.Key} = {label.Value}.");
        }));
    }

    [Fact]
    public void Names_and_units_follow_the_conventions()
    {
        Assert.All(_telemetry.Metrics.Instruments, i =>
        {
            Assert.Matches("^orchestrator(\\.[a-z]+)+$", i.Name);
            Assert.Matches("^(s|By|1|\\{[a-z]+\\})$", i.Unit);
            Assert.False(string.IsNullOrWhiteSpace(i.Description), i.Name);
        });
    }

    [Fact]
    public async Task A_job_is_one_trace_from_submit_to_commit()
    {
        ActivityContext submitted;
        var runner = new EchoRunner();
        using (var submit = _telemetry.Submit())
        {
            submitted = submit.Context;
            await RunAsync(runner, submit.Id);
        }

        var spans = _telemetry.Spans;
        Assert.All(spans.Ended, s => Assert.Equal(submitted.TraceId, s.TraceId));
        var start = Assert.Single(spans.Named("job start"));
        Assert.Equal(submitted.SpanId, start.ParentSpanId);
        var attempts = spans.Named("attempt");
        Assert.Equal(runner.Ran.Count, attempts.Count);
        Assert.All(attempts, a => Assert.Equal((start.SpanId, ActivityKind.Consumer), (a.ParentSpanId, a.Kind)));
        var ids = attempts.Select(a => a.SpanId).ToHashSet();
        Assert.Equal(attempts.Count, spans.Named("compute").Count);
        Assert.All(spans.Named("compute").Concat(spans.Named("read")).Concat(spans.Named("write")), s => Assert.Contains(s.ParentSpanId, ids));
        Assert.Equal(runner.Ran.Sum(u => u.Inputs.Count), spans.Named("read").Count);
        Assert.Equal(runner.Ran.Sum(u => EchoOutputs.Roles(u).Count), spans.Named("write").Count);
        Assert.All(spans.Named("commit"), c => Assert.Equal(start.SpanId, c.ParentSpanId));
        Assert.Equal(ids, spans.Named("commit").SelectMany(c => c.Links).Select(l => l.Context.SpanId).ToHashSet());
        Assert.Equal(start.SpanId, Assert.Single(spans.Named("job end")).ParentSpanId);
    }

    [Fact]
    public async Task Attempts_queue_time_and_rework_are_counted_where_they_happen()
    {
        var runner = new EchoRunner(FailsOnce("select"));
        await RunAsync(runner);

        var metrics = _telemetry.Metrics;
        var units = runner.Ran.Count;
        Assert.Equal(units + 1, metrics.Sum("orchestrator.unit.attempts"));
        Assert.Equal(1, metrics.Of("orchestrator.unit.attempts").Count(m => m.Labels[Labels.Result] == Labels.Error));
        Assert.Equal(units + 1, metrics.Of("orchestrator.unit.queue.time").Count());
        Assert.Equal(units + 1, metrics.Of("orchestrator.worker.attempt.duration").Count());
        Assert.Equal(0, metrics.Sum("orchestrator.worker.slots.busy"));
        Assert.Single(metrics.Of("orchestrator.unit.rework.time"));
        Assert.Single(metrics.Of("orchestrator.job.duration"), m => m.Labels[Labels.Result] == Labels.Success);
        Assert.Contains(_telemetry.Logs.Lines, l => l.Id == 200 && l.Level == LogLevel.Warning && l.Text.StartsWith("retry in job", StringComparison.Ordinal));
        Assert.Contains(_telemetry.Logs.Lines, l => l.Id == 402 && l.Text.Contains("store-failed", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_unit_that_is_given_up_is_counted_and_named_in_the_log()
    {
        var result = await RunAsync(new EchoRunner((unit, _) => unit.Kind == UnitKind.Select ? throw new InvalidOperationException("never") : Task.CompletedTask));

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.True(_telemetry.Metrics.Sum("orchestrator.unit.quarantined") >= 1);
        Assert.All(_telemetry.Metrics.Of("orchestrator.unit.quarantined"), m => Assert.Equal("select", m.Labels[Labels.Kind]));
        Assert.Contains(_telemetry.Logs.Lines, l => l.Id == 201 && l.Level == LogLevel.Error && l.Text.Contains("select", StringComparison.Ordinal) && l.Text.Contains("never", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_job_tells_nobody_where_nobody_listens()
    {
        var runner = new EchoRunner();
        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(JobHarness.Plan(), runner);

        Assert.Equal(JobStatus.Succeeded, result.Status);
        Assert.Empty(_telemetry.Spans.Ended);
        Assert.Empty(_telemetry.Metrics.Measurements);
    }

    private Task<Grains.Abstractions.Messages.JobResult> RunAsync(EchoRunner runner, string? trace = null) =>
        new JobHarness(new MeteredBlobStore(new MemoryBlobStore(), _telemetry.Store, TimeProvider.System)) { Telemetry = _telemetry }
            .RunAsync(JobHarness.Plan(), _telemetry.Traced(runner), trace: trace);

    private static Func<WorkUnit, CancellationToken, Task> FailsOnce(string id)
    {
        var failures = 0;
        return (unit, _) => unit.Id.Contains(id, StringComparison.Ordinal) && Interlocked.Increment(ref failures) == 1 ? throw new IOException("no answer") : Task.CompletedTask;
    }
}
