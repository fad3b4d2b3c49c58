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

        var decisions = Enumerable.Range(1, 6).Select(failed => policy.Decide(s_passing, failed)).ToArray();

        Assert.Equal([1, 2, 4, 5, 0, 0], decisions.Select(d => d.Delay.TotalSeconds));
        Assert.Equal([false, false, false, false, true, true], decisions.Select(d => d.Quarantine));
    }

    [Fact]
    public void What_would_fail_the_same_way_again_is_not_tried_again() =>
        Assert.True(RetryPolicy.Default.Decide(s_lasting, 1).Quarantine);

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
