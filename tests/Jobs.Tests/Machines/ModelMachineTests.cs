using System.Collections.Immutable;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Jobs.Tests.Machines;

public sealed class ModelMachineTests
{
    private static readonly Failure s_failure = new("broken", "It broke.", Retryable: false);

    [Fact]
    public void Layers_start_with_their_groups_statistics_and_the_result_with_the_last_layer()
    {
        var script = new Script([0, 1], [2]);

        Assert.Equal("StartStatistics 0, StartStatistics 1, StartBaseline", script.Feed(new ModelEvent.Started()));
        Assert.Equal("StartLayer 2", script.Feed(new ModelEvent.StatisticsEnded(1, null)));
        Assert.Equal("", script.Feed(new ModelEvent.LayerEnded(2, null)));
        Assert.Equal("StartLayer 0, StartLayer 1", script.Feed(new ModelEvent.StatisticsEnded(0, null)));
        Assert.Equal("", script.Feed(new ModelEvent.LayerEnded(1, null)));
        Assert.Equal("StartResult 0 1 2", script.Feed(new ModelEvent.LayerEnded(0, null)));
        Assert.Equal("", script.Feed(new ModelEvent.ResultEnded(null)));
        Assert.Equal("Conclude Succeeded", script.Feed(new ModelEvent.BaselineEnded(null)));
    }

    [Fact]
    public void A_failed_layer_is_left_out_and_the_job_failed_but_written()
    {
        var script = Solving();

        script.Feed(new ModelEvent.LayerEnded(0, s_failure));
        Assert.Equal("StartResult 1", script.Feed(new ModelEvent.LayerEnded(1, null)));
        script.Feed(new ModelEvent.BaselineEnded(null));
        Assert.Equal("Conclude Failed A layer was left as it was: It broke.", script.Feed(new ModelEvent.ResultEnded(null)));
    }

    [Fact]
    public void A_job_without_a_single_solved_layer_ends_without_a_result()
    {
        var script = Solving();

        script.Feed(new ModelEvent.LayerEnded(0, s_failure));
        Assert.Equal("StopAll, Conclude Failed A layer was left as it was: It broke. (and 1 more)", script.Feed(new ModelEvent.LayerEnded(1, s_failure)));
    }

    [Fact]
    public void A_starved_layer_waits_for_its_groups_repair()
    {
        var script = Solving();

        Assert.Equal("", script.Feed(new ModelEvent.StatisticsDamaged(0)));
        Assert.Equal("", script.Feed(new ModelEvent.LayerStarved(1)));
        Assert.Equal("StartLayer 1", script.Feed(new ModelEvent.StatisticsEnded(0, null)));
        // The repair was over before the second layer told of it.
        Assert.Equal("StartLayer 0", script.Feed(new ModelEvent.LayerStarved(0)));
    }

    [Fact]
    public void A_starved_result_is_begun_anew_when_its_layer_is_repaired()
    {
        var script = Solving();
        script.Feed(new ModelEvent.LayerEnded(0, null));
        script.Feed(new ModelEvent.LayerEnded(1, null));

        Assert.Equal("RepairLayer 1", script.Feed(new ModelEvent.ResultStarved(1)));
        Assert.Equal("StartResult 0 1", script.Feed(new ModelEvent.LayerEnded(1, null)));
        Assert.Equal("StartResult 0 1", script.Feed(new ModelEvent.ResultStarved(null)));
    }

    [Theory]
    [InlineData(true, "StopAll, Conclude Interrupted asked to")]
    [InlineData(false, "StopAll, Conclude Cancelled asked to")]
    public void A_stop_ends_the_job_and_whatever_comes_later_is_ignored(bool resumable, string expected)
    {
        var script = Solving();

        Assert.Equal(expected, script.Feed(new ModelEvent.StopAsked("asked to", resumable)));
        Assert.Equal("", script.Feed(new ModelEvent.LayerEnded(0, null)));
        Assert.Equal("", script.Feed(new ModelEvent.StopAsked("again", false)));
    }

    [Fact]
    public void News_that_come_twice_change_nothing()
    {
        var script = Solving();

        Assert.Equal("", script.Feed(new ModelEvent.StatisticsEnded(0, null)));
        script.Feed(new ModelEvent.LayerEnded(0, null));
        Assert.Equal("", script.Feed(new ModelEvent.LayerEnded(0, s_failure)));
        Assert.Equal("StartResult 0 1", script.Feed(new ModelEvent.LayerEnded(1, null)));
    }

    [Fact]
    public void A_block_passes_on_each_end_once_and_starts_nothing_after_a_stop()
    {
        var state = new BlockState();
        string Feed(BlockEvent happened)
        {
            (state, var effects) = BlockMachine.Step(state, happened);
            return string.Join(", ", effects.Select(e => e.GetType().Name));
        }

        Assert.Equal("StartLayer", Feed(new BlockEvent.LayerStarted(3)));
        Assert.Equal("ReportLayer", Feed(new BlockEvent.LayerEnded(3)));
        Assert.Equal("", Feed(new BlockEvent.LayerEnded(3)));
        Assert.Equal("RepairLayer", Feed(new BlockEvent.LayerDamaged(3)));
        Assert.Equal("ReportLayer", Feed(new BlockEvent.LayerEnded(3)));
        Assert.Equal("StopLayers", Feed(new BlockEvent.Stopped()));
        Assert.Equal("", Feed(new BlockEvent.LayerStarted(4)));
    }

    [Fact]
    public void Layers_are_reconstructed_when_all_steps_are_done_and_the_result_follows()
    {
        var script = new Script([0]) { ToReconstruct = [1, 2] };

        script.Feed(new ModelEvent.Started());
        Assert.Equal("StartLayer 0", script.Feed(new ModelEvent.StatisticsEnded(0, null)));
        Assert.Equal("StartReconstruction 0", script.Feed(new ModelEvent.LayerEnded(0, null)));
        Assert.Equal("StartResult 0 1 2", script.Feed(new ModelEvent.ReconstructionEnded([1, 2], null)));
        script.Feed(new ModelEvent.BaselineEnded(null));
        Assert.Equal("Conclude Succeeded", script.Feed(new ModelEvent.ResultEnded(null)));
    }

    [Fact]
    public void Where_no_layer_has_steps_the_reconstruction_starts_with_the_job()
    {
        var script = new Script() { ToReconstruct = [0, 1] };

        Assert.Equal("StartBaseline, StartReconstruction ", script.Feed(new ModelEvent.Started()));
        Assert.Equal("StartResult 0", script.Feed(new ModelEvent.ReconstructionEnded([0], s_failure)));
        script.Feed(new ModelEvent.BaselineEnded(null));
        Assert.Equal("Conclude Failed Not all layers could be reconstructed: It broke.", script.Feed(new ModelEvent.ResultEnded(null)));
    }

    [Fact]
    public void Where_every_layer_failed_before_nothing_is_reconstructed()
    {
        var script = new Script([0, 1]) { ToReconstruct = [0, 1] };
        script.Feed(new ModelEvent.Started());

        Assert.Equal("StopAll, Conclude Failed Statistics could not be gathered: It broke.", script.Feed(new ModelEvent.StatisticsEnded(0, s_failure)));
    }

    [Fact]
    public void A_reconstruction_waits_for_a_layer_that_is_made_again_and_the_result_for_the_reconstruction()
    {
        var script = new Script([0]) { ToReconstruct = [1] };
        script.Feed(new ModelEvent.Started());
        script.Feed(new ModelEvent.StatisticsEnded(0, null));
        script.Feed(new ModelEvent.LayerEnded(0, null));

        Assert.Equal("RepairLayer 0", script.Feed(new ModelEvent.ReconstructionStarved(0)));
        Assert.Equal("StartReconstruction 0", script.Feed(new ModelEvent.LayerEnded(0, null)));
        Assert.Equal("StartReconstruction 0", script.Feed(new ModelEvent.ReconstructionStarved(null)));
        Assert.Equal("StartResult 0 1", script.Feed(new ModelEvent.ReconstructionEnded([1], null)));
        Assert.Equal("", script.Feed(new ModelEvent.ReconstructionDamaged()));
        Assert.Equal("StartResult 0 1", script.Feed(new ModelEvent.ReconstructionEnded([1], null)));
    }

    [Fact]
    public void Numbers_of_stored_statuses_never_change() => Assert.Equal(
        "Planned=1 Running=2 Succeeded=3 GoalMissed=4 Cancelled=5 Failed=6 Interrupted=7",
        string.Join(' ', Enum.GetValues<JobStatus>().Select(s => $"{s}={(int)s}")));

    /// <summary>One group of two layers whose statistics are there.</summary>
    private static Script Solving()
    {
        var script = new Script([0, 1]);
        script.Feed(new ModelEvent.Started());
        script.Feed(new ModelEvent.StatisticsEnded(0, null));
        return script;
    }

    private sealed class Script(params ImmutableArray<int>[] groups)
    {
        private ModelState _state = new() { Groups = [.. groups] };

        public ImmutableSortedSet<int> ToReconstruct
        {
            init => _state = _state with { ToReconstruct = value };
        }

        public string Feed(ModelEvent happened)
        {
            (_state, var effects) = ModelMachine.Step(_state, happened);
            return string.Join(", ", effects.Select(Describe));
        }

        private static string Describe(ModelEffect effect) => effect switch
        {
            ModelEffect.StartStatistics e => $"StartStatistics {e.Group}",
            ModelEffect.StartLayer e => $"StartLayer {e.Layer}",
            ModelEffect.RepairLayer e => $"RepairLayer {e.Layer}",
            ModelEffect.StartReconstruction e => $"StartReconstruction {string.Join(' ', e.Layers)}",
            ModelEffect.StartResult e => $"StartResult {string.Join(' ', e.Layers)}",
            ModelEffect.Conclude e => $"Conclude {e.Status} {e.Reason}".TrimEnd(),
            _ => effect.GetType().Name,
        };
    }
}
