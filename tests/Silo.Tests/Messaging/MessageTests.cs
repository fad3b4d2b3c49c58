using Microsoft.Extensions.DependencyInjection;
using Orchestrator.Embedded.Tests;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orleans.Serialization;

namespace Orchestrator.Silo.Tests.Messaging;

/// <summary>What silos tell each other arrives as it was sent.</summary>
public sealed class MessageTests
{
    private static readonly Epoch s_epoch = new(5, 17);
    private static readonly BlobRef s_blob = new("local/attempts/aa/aa/5-17/weights", SampleJobs.Digest('a'), 12);
    private static readonly JobPlace s_place = new("local", "4fa6", 1, 2, 3, "here");
    private static readonly Failure s_failure = new("out-of-memory", "The device is full.", Retryable: true) { Damaged = s_blob };

    private readonly Serializer _serializer = new ServiceCollection().AddMessages().BuildServiceProvider().GetRequiredService<Serializer>();

    public static TheoryData<string> Kinds() => [.. Messages().Keys];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_message_arrives_as_it_was_sent(string kind)
    {
        var sent = Messages()[kind];

        var arrived = _serializer.Deserialize<object>(_serializer.SerializeToArray(sent));

        Assert.IsType(sent.GetType(), arrived);
        Assert.Equal(CanonicalJson.Digest(sent), CanonicalJson.Digest(arrived));
    }

    public static TheoryData<string> ListKinds() => [.. Lists().Keys];

    /// <summary>Lists of every making: arrays, lists, those of collection expressions, those that make their items when asked.</summary>
    [Theory]
    [MemberData(nameof(ListKinds))]
    public void A_list_of_messages_arrives_whatever_list_it_was(string kind)
    {
        var sent = Lists()[kind];

        var arrived = Assert.IsAssignableFrom<IReadOnlyList<Epoch>>(_serializer.Deserialize<IReadOnlyList<Epoch>>(_serializer.SerializeToArray(sent)));

        Assert.Equal(sent, arrived);
    }

    [Fact]
    public void Within_a_silo_messages_are_handed_over_as_they_are()
    {
        var copier = new ServiceCollection().AddMessages().BuildServiceProvider().GetRequiredService<DeepCopier>();
        var plan = new JobStart("local", EchoJob.Plan, Fresh: false);

        Assert.Same(plan, copier.Copy(plan));
    }

    [Fact]
    public void An_error_keeps_what_it_tells_the_user()
    {
        var sent = new InputException("store-newer", "a/b", "The store is newer.", "Use the newer version.");

        var arrived = Assert.IsType<InputException>(_serializer.Deserialize<Exception>(_serializer.SerializeToArray<Exception>(sent)));

        Assert.Equal((sent.Code, sent.Subject, sent.Message, sent.Remedy), (arrived.Code, arrived.Subject, arrived.Message, arrived.Remedy));
    }

    [Fact]
    public void A_failure_of_the_store_stays_one()
    {
        var arrived = _serializer.Deserialize<Exception>(_serializer.SerializeToArray<Exception>(new IOException("The disk is full.")));

        Assert.Equal("The disk is full.", Assert.IsType<IOException>(arrived).Message);
    }

    private static Dictionary<string, IReadOnlyList<Epoch>> Lists() => new()
    {
        ["array"] = new Epoch[] { s_epoch, new(6, 1) },
        ["list"] = new List<Epoch> { s_epoch, new(6, 1) },
        ["expression"] = [s_epoch, new(6, 1)],
        ["one"] = [s_epoch],
        ["none"] = [],
        ["spread"] = [.. Enumerable.Range(0, 5).Select(i => new Epoch(1, i))],
        ["indexed"] = new IndexedList<Epoch>(4, i => new Epoch(2, i)),
    };

    private static Dictionary<string, object> Messages()
    {
        var plan = EchoJob.Plan;
        var unit = new WorkUnit
        {
            Id = "layer/0/hessian",
            Key = SampleJobs.Digest('b'),
            Kind = UnitKind.Statistics,
            Spec = new HessianSpec(new LayerRef("/fc", 0), 600, BatchNormMode.Fold),
            Inputs = [new UnitInput("gram", s_blob)],
            Profile = SampleJobs.Profile,
            Cost = 3.5,
        };
        var outcome = Outcome.Completed([new UnitOutput("weights", s_blob)], new UnitMetrics { Loss = 0.25, Seconds = 1.5 });
        var end = new AttemptEnd(new UnitOwner(OwnerKind.Model, GrainKeys.Model("local", "4fa6"), "statistics/0"), unit, s_epoch, "worker", outcome);
        var summary = new JobSummary { Layers = [], Computed = 3, Reused = 4 };
        return new Dictionary<string, object>
        {
            ["start"] = new JobStart("local", plan, Fresh: true),
            ["started"] = new JobStarted(s_place),
            ["layer start"] = new LayerStart(s_place, 1, plan.Settings, plan.Layers[0], [s_blob]),
            ["progress"] = new LayerProgress(s_place, 2, new PipelineCounts(1, 2, 3, 4), [new JobEvent("retry", "/fc", "again")], []),
            ["lease"] = new Lease(unit, s_epoch, "local/attempts/aa", TimeSpan.FromSeconds(30)),
            ["request"] = new LeaseRequest("worker", ["cpu"], 4) { FreeBytes = 1_000 },
            ["heartbeat"] = new Heartbeat("worker", [new AttemptProgress(s_epoch, 0.5)]),
            ["completed"] = end,
            ["failed"] = end with { Outcome = Outcome.SystemFailed(s_failure) },
            ["lost"] = end with { Outcome = Outcome.Lost("worker") },
            ["result"] = new JobResult(JobStatus.Succeeded, null, s_place, s_blob, summary, "fold"),
            ["place"] = s_place,
            ["epoch"] = s_epoch,
        };
    }
}
