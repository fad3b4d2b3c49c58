using Orchestrator.Cli.Simulating.Cluster;

namespace Orchestrator.Cli.Tests.Simulating;

/// <summary>A simulator that finds nothing has to show that it would.</summary>
public sealed class MistakeTests
{
    private const int MostSeeds = 1_000;

    [Fact]
    public void A_commit_written_twice_is_caught() => Catches(Mistakes.CommitsOverwritten, "no commit is lost", "each unit is committed once");

    [Fact]
    public void A_fence_left_out_is_caught() => Catches(Mistakes.NoFence, "commits are fenced", "late completions are refused");

    [Fact]
    public void A_status_stored_beside_the_commits_is_caught() => Catches(Mistakes.StatusBeside, "status equals the fold of commits", "each unit is committed once", "no commit is lost");

    [Fact]
    public void A_take_over_that_keeps_the_term_is_caught() => Catches(Mistakes.TermKept, "every take-over raises the term");

    [Fact]
    public void A_pause_that_is_answered_before_it_is_written_is_caught() =>
        Catches(Mistakes.PauseUnwritten, "nothing is committed after a pause or a cancel was answered", "what is answered to a pause stays");

    [Fact]
    public void A_state_that_is_taken_for_another_is_caught() => Catches(Mistakes.StateBefore, "same inputs, same bytes");

    [Fact]
    public void A_damaged_state_that_is_taken_for_sound_is_caught() => Catches(Mistakes.DamagedStates, "same inputs, same bytes");

    private static void Catches(SimulationHooks hooks, params string[] invariants)
    {
        var caught = Mistakes.FirstCaught(hooks, MostSeeds);

        Assert.Contains(caught.Violation!.Invariant, invariants);
    }
}
