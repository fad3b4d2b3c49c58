using System.Diagnostics.Metrics;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Server.Telemetry;
using Orchestrator.Server.Tests.Api;
using Orchestrator.Server.Tests.Nodes;
using Orchestrator.TestKit.Telemetry;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Server.Tests.Telemetry;

public sealed class ServerInstrumentsTests : IDisposable
{
    private static readonly TimeSpan s_while = TimeSpan.FromSeconds(20);

    private readonly MemoryBlobStore _store = new();
    private readonly Meter _meter = new("test");
    private readonly Meter _otherMeter = new("other");
    private readonly List<VirtualNode> _nodes = [];

    public void Dispose()
    {
        _nodes.ForEach(n => n.Dispose());
        _meter.Dispose();
        _otherMeter.Dispose();
    }

    [Fact]
    public void One_server_leads_and_a_standby_tells_nothing_but_its_role()
    {
        Start(_meter, "active");
        Start(_otherMeter, "standby");

        var (active, standby) = (Observe(_meter), Observe(_otherMeter));

        Assert.Equal((1, 1), (Value(active, "orchestrator.leadership.role"), Value(active, "orchestrator.leadership.term")));
        Assert.Equal((0, 1), (Value(standby, "orchestrator.leadership.role"), Value(standby, "orchestrator.leadership.term")));
        Assert.Equal(["orchestrator.leadership.role", "orchestrator.leadership.term"], standby.Select(m => m.Instrument).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Workers_are_counted_by_state_and_states_of_none_are_told_as_0()
    {
        var node = Start(_meter, "active");
        var roster = node.Node.Active().Workers;
        foreach (var name in (string[])["idle", "busy", "drains"])
            roster.Register(new WorkerRegistration(name, 1, ["p"], [], "1"));
        roster.Hear("busy", works: true);
        roster.Drain("drains");

        Assert.Equal([("available", 1), ("busy", 1), ("draining", 1), ("offline", 0)], ByState("orchestrator.worker.count"));
        VirtualProcess.Pass(TimeSpan.FromMinutes(1), node.Process);
        Assert.Equal([("available", 0), ("busy", 0), ("draining", 0), ("offline", 3)], ByState("orchestrator.worker.count"));
    }

    [Fact]
    public void Jobs_are_counted_by_state_until_they_end_and_their_progress_is_a_share()
    {
        var node = Start(_meter, "active");
        node.Submit(_store);
        var worker = new VirtualWorker(_store, node) { Most = 3 };
        worker.Start();
        VirtualProcess.Pass(s_while, worker.Process, node.Process);

        Assert.Equal([("executing", 1), ("finalizing", 0), ("paused", 0), ("pending", 0)], ByState("orchestrator.job.active"));
        Assert.Equal(node.View().Progress, Value(Observe(_meter), "orchestrator.job.progress"));
        node.Ask(active => active.Jobs.PauseAsync("local", TestJob.Id, CancellationToken.None));
        Assert.Equal([("executing", 0), ("finalizing", 0), ("paused", 1), ("pending", 0)], ByState("orchestrator.job.active"));
        Assert.DoesNotContain(Observe(_meter), m => m.Instrument == "orchestrator.job.progress");
        node.Ask(active => active.Jobs.CancelAsync("local", TestJob.Id, CancellationToken.None));
        Assert.All(ByState("orchestrator.job.active"), state => Assert.Equal(0, state.Count));
    }

    [Fact]
    public void Jobs_that_go_on_in_another_server_are_counted_with_what_became_of_the_one_before()
    {
        using var recorder = new MeterRecorder(_otherMeter);
        var first = Start(_meter, "first");
        first.Submit(_store);
        first.Stop();
        VirtualProcess.Pass(s_while, first.Process);
        var second = Start(_otherMeter, "second");
        VirtualProcess.Pass(s_while, second.Process);

        var recovery = Assert.Single(recorder.Of("orchestrator.job.recovery"));
        Assert.Equal((1, "upgrade"), (recovery.Value, recovery.Labels.Values.Single()));
    }

    private VirtualNode Start(Meter meter, string name)
    {
        var node = new VirtualNode(_store, name, new ServerInstruments(meter));
        _nodes.Add(node);
        node.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(3), node.Process);
        return node;
    }

    private (string State, double Count)[] ByState(string instrument) =>
        [.. Observe(_meter).Where(m => m.Instrument == instrument).Select(m => (m.Labels.Values.Single(), m.Value)).OrderBy(m => m.Item1, StringComparer.Ordinal)];

    private static double Value(IReadOnlyList<MeterRecorder.Measurement> measured, string instrument) => Assert.Single(measured, m => m.Instrument == instrument).Value;

    private static IReadOnlyList<MeterRecorder.Measurement> Observe(Meter meter)
    {
        using var recorder = new MeterRecorder(meter);
        return recorder.Observe().Measurements;
    }
}
