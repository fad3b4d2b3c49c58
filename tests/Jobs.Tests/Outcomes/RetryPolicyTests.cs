using System.Text.Json;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Outcomes;

public sealed class RetryPolicyTests
{
    private static readonly Failure s_passing = new("out-of-memory", "Too large.", Retryable: true);
    private static readonly Failure s_lasting = new("data-not-finite", "It has NaN.", Retryable: false);

    [Fact]
    public void Waits_double_up_to_their_bound_and_the_fifth_failure_is_the_last()
    {
        var policy = new RetryPolicy(5, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(5));

        var decisions = Enumerable.Range(1, 6).Select(failed => policy.Decide(s_passing, new AttemptCounts(failed, 0, 0, 0, false))).ToArray();

        Assert.Equal([1, 2, 4, 5, 0, 0], decisions.Select(d => d.Delay.TotalSeconds));
        Assert.Equal([false, false, false, false, true, true], decisions.Select(d => d.Quarantine));
    }

    [Theory]
    [InlineData(4, 4, 4, 9, false)]
    [InlineData(5, 0, 0, 0, true)]
    [InlineData(0, 5, 0, 0, true)]
    [InlineData(0, 0, 5, 0, true)]
    [InlineData(0, 0, 0, 10, true)]
    public void Every_way_to_fail_is_counted_apart_and_has_its_bound(int workload, int system, int crashes, int losses, bool isLast) =>
        Assert.Equal(isLast, RetryPolicy.Default.Decide(s_passing, new AttemptCounts(workload, system, crashes, losses, IsConfirmed: true)).Quarantine);

    [Fact]
    public void A_cluster_waits_for_disks_and_stores_longer_than_a_minute()
    {
        var policy = RetryPolicy.Cluster;
        var waits = Enumerable.Range(1, policy.MaxSystemFailures - 1).Sum(failed => policy.Decide(s_passing, new AttemptCounts(0, failed, 0, 0, false)).Delay.TotalSeconds);

        Assert.InRange(waits, 60, 180);
    }

    [Fact]
    public void What_fails_the_same_way_everywhere_is_not_tried_again_once_another_worker_says_so()
    {
        FailedAttempt[] one = [Attempt("a", s_lasting)];
        FailedAttempt[] two = [.. one, Attempt("b", s_lasting)];
        FailedAttempt[] other = [.. one, Attempt("b", s_passing with { Retryable = false })];

        Assert.False(RetryPolicy.Default.Decide(s_lasting, FailedAttempt.Count(one, hadNoOther: false)).Quarantine);
        Assert.True(RetryPolicy.Default.Decide(s_lasting, FailedAttempt.Count(one, hadNoOther: true)).Quarantine);
        Assert.True(RetryPolicy.Default.Decide(s_lasting, FailedAttempt.Count(two, hadNoOther: false)).Quarantine);
        Assert.False(RetryPolicy.Default.Decide(s_lasting, FailedAttempt.Count(other, hadNoOther: false)).Quarantine);
    }

    [Fact]
    public void Attempts_are_counted_by_kind() => Assert.Equal(
        new AttemptCounts(1, 1, 1, 2, IsConfirmed: true),
        FailedAttempt.Count(
            [
                Attempt("a", s_lasting), Attempt("b", s_passing) with { Kind = OutcomeKind.SystemFailed }, Lost("a", isCrash: true), Lost("b", isCrash: false), Lost("c", isCrash: false),
            ],
            hadNoOther: false));

    [Theory]
    [InlineData("Node '/conv1' needs 12 GiB of 8.", "Node '/fc' needs 7 GiB of 16.", true)]
    [InlineData("Could not open /data/a1/x.bin", "Could not open  /data/b2/y7.bin", true)]
    [InlineData("The weights are not finite.", "The inputs are not finite.", false)]
    public void A_fingerprint_leaves_out_what_differs_between_attempts(string left, string right, bool areEqual) =>
        Assert.Equal(areEqual, Fingerprints.Of(s_passing with { Message = left }) == Fingerprints.Of(s_passing with { Message = right }));

    [Fact]
    public void Fingerprints_of_one_message_and_two_codes_differ() =>
        Assert.NotEqual(Fingerprints.Of(s_passing), Fingerprints.Of(s_passing with { Code = "other" }));

    private static FailedAttempt Attempt(string worker, Failure failure) => new(worker, OutcomeKind.WorkloadFailed, Fingerprints.Of(failure), IsCrash: false);

    private static FailedAttempt Lost(string worker, bool isCrash) => new(worker, OutcomeKind.Lost, Fingerprints.Of(Outcome.Lost(worker).Failure!), isCrash);

    [Fact]
    public void Outcomes_survive_their_JSON()
    {
        var blob = new BlobRef("local/x", SampleJobs.Digest('1'), 3);
        var outcomes = new[]
        {
            Outcome.Completed([new UnitOutput(Roles.Weights, blob)], new UnitMetrics { Loss = 0.5 }),
            Outcome.WorkloadFailed(s_lasting),
            Outcome.SystemFailed(s_passing with { Damaged = blob }),
            Outcome.Lost("worker"),
            Outcome.Cancelled("stop"),
        };

        foreach (var outcome in outcomes)
        {
            var json = CanonicalJson.Serialize(outcome);
            Assert.Equal(json, CanonicalJson.Serialize(JsonSerializer.Deserialize<Outcome>(json, CanonicalJson.Options)));
        }

        Assert.Equal(Enum.GetValues<OutcomeKind>(), outcomes.Select(o => o.Kind));
    }

    [Fact]
    public void Numbers_of_stored_enumerations_never_change() => Assert.Equal(
        "Completed=1 WorkloadFailed=2 SystemFailed=3 Lost=4 Cancelled=5",
        string.Join(' ', Enum.GetValues<OutcomeKind>().Select(k => $"{k}={(int)k}")));
}
