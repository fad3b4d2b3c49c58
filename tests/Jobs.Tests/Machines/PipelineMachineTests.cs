using FsCheck;
using FsCheck.Fluent;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Jobs.Tests.Machines;

public sealed class PipelineMachineTests
{
    private static readonly Failure s_passing = new("flaky", "It happens.", Retryable: true);
    private static readonly RetryPolicy s_retry = new(3, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(8));

    [Fact]
    public void Stages_follow_each_other_and_units_are_looked_up_before_they_are_offered()
    {
        var script = new Script(1, 2);

        script.Feed(new PipelineEvent.Begun());
        Assert.Equal("LookUp 0.0", script.Take());
        script.Feed(LookedUp(0, 0, found: false));
        Assert.Equal("Offer 0.0", script.Take());
        script.Feed(new PipelineEvent.Committed(new UnitPlace(0, 0)));
        Assert.Equal("LookUp 1.0, LookUp 1.1", script.Take());
        script.Feed(LookedUp(1, 1, found: true));
        Assert.Equal("", script.Take());
        script.Feed(LookedUp(1, 0, found: true));
        Assert.Equal("Finish", script.Take());
        Assert.Equal(PipelineStatus.Finished, script.State.Status);
    }

    [Fact]
    public void A_pipeline_without_units_is_finished_when_it_begins()
    {
        var script = new Script(0, 0);

        script.Feed(new PipelineEvent.Begun());

        Assert.Equal("Finish", script.Take());
    }

    [Fact]
    public void No_more_units_are_open_than_the_window_allows()
    {
        const int Units = 10_000;
        var script = new Script(Units);
        script.Feed(new PipelineEvent.Begun());
        var most = 0;
        for (var i = 0; i < Units; i++)
        {
            most = Math.Max(most, script.State.Open.Count);
            script.Feed(LookedUp(0, i, found: true));
        }

        Assert.Equal(PipelineState.DefaultWindow, most);
        Assert.Equal(PipelineStatus.Finished, script.State.Status);
    }

    [Fact]
    public void The_window_grows_by_the_workers_that_wait_up_to_a_limit()
    {
        const int Units = 100_000;
        const int Waiting = 744;
        var script = new Script(Units);
        script.Feed(new PipelineEvent.Begun());

        script.Feed(new PipelineEvent.Wanted(Waiting));
        Assert.Equal(PipelineState.DefaultWindow + Waiting, script.State.Open.Count);
        script.Feed(LookedUp(0, 0, found: true));
        Assert.Equal(PipelineState.DefaultWindow + Waiting, script.State.Open.Count);
        script.Feed(new PipelineEvent.Wanted(int.MaxValue / 2));
        Assert.Equal(PipelineState.MaxWindow, script.State.Open.Count);
    }

    [Fact]
    public void A_failed_unit_rests_and_is_offered_again_until_it_is_quarantined()
    {
        var script = Offered();

        script.Feed(Failed(1));
        Assert.Equal("Rest 0.0 1s", script.Take());
        script.Feed(new PipelineEvent.Rested(new UnitPlace(0, 0)));
        Assert.Equal("Offer 0.0", script.Take());
        script.Feed(Failed(2));
        Assert.Equal("Rest 0.0 2s", script.Take());
        script.Feed(new PipelineEvent.Rested(new UnitPlace(0, 0)));
        script.Take();
        script.Feed(Failed(3));
        Assert.Equal("Withdraw, GiveUp 0.0 flaky", script.Take());
        Assert.Equal(PipelineStatus.GivenUp, script.State.Status);
    }

    [Fact]
    public void A_unit_that_was_handed_back_is_offered_at_once()
    {
        var script = Offered();

        script.Feed(new PipelineEvent.AttemptFailed(new UnitPlace(0, 0), OutcomeKind.Cancelled, s_passing, default));

        Assert.Equal("Offer 0.0", script.Take());
    }

    [Fact]
    public void A_damaged_blob_takes_the_pipeline_back_to_its_producer()
    {
        var script = new Script(1, 1, 1);
        script.Feed(new PipelineEvent.Begun());
        script.Feed(LookedUp(0, 0, found: true));
        script.Feed(LookedUp(1, 0, found: true));
        script.Feed(LookedUp(2, 0, found: false));
        script.Take();

        script.Feed(new PipelineEvent.Damaged(new UnitPlace(0, 0)));

        Assert.Equal("Withdraw, Invalidate 0.0, LookUp 0.0", script.Take());
        Assert.Equal((0, PipelineStatus.Running), (script.State.Stage, script.State.Status));
    }

    [Fact]
    public void A_damaged_given_blob_makes_it_wait_until_it_is_begun_again()
    {
        var script = Offered();

        script.Feed(new PipelineEvent.Damaged(null));
        Assert.Equal("Withdraw, AskForGiven", script.Take());
        script.Feed(new PipelineEvent.Committed(new UnitPlace(0, 0)));
        Assert.Equal("", script.Take());
        script.Feed(new PipelineEvent.Begun());
        Assert.Equal("LookUp 0.0, LookUp 0.1", script.Take());
    }

    [Fact]
    public void A_store_that_damages_everything_is_given_up()
    {
        var script = Offered();
        for (var repair = 0; repair <= PipelineMachine.MaxRepairs; repair++)
            script.Feed(new PipelineEvent.Damaged(new UnitPlace(0, 0)));

        Assert.EndsWith("GiveUp 0.0 store-damaged", script.Take(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_stopped_pipeline_does_nothing_more()
    {
        var script = Offered();
        script.Feed(new PipelineEvent.Stopped());
        Assert.Equal("Withdraw", script.Take());

        foreach (var late in new PipelineEvent[] { new PipelineEvent.Committed(new UnitPlace(0, 0)), Failed(1), new PipelineEvent.Begun(), new PipelineEvent.Wanted(1), new PipelineEvent.Stopped(), new PipelineEvent.Damaged(null) })
            script.Feed(late);

        Assert.Equal("", script.Take());
        Assert.Equal(PipelineStatus.Stopped, script.State.Status);
    }

    /// <summary>Random histories with repeated, late and foreign events: every unit is committed, in stage order, and nothing is committed twice.</summary>
    [Fact]
    public void Whatever_happens_in_whatever_order_every_unit_is_done_exactly_once() => Check.QuickThrowOnFailure(Prop.ForAll(
        Arb.From(Gen.Choose(0, int.MaxValue)),
        seed =>
        {
            var random = new Random(seed);
            var stages = Enumerable.Range(0, random.Next(1, 4)).Select(_ => random.Next(0, 6)).ToArray();
            var state = PipelineState.Create(stages, s_retry with { MaxLosses = int.MaxValue }) with { Window = random.Next(1, 4) };
            var pending = new List<PipelineEvent> { new PipelineEvent.Begun() };
            var done = new HashSet<UnitPlace>();
            while (pending.Count > 0)
            {
                var happened = pending[random.Next(pending.Count)];
                // Every fourth event stays in the list: it will come again.
                if (random.Next(4) > 0)
                    pending.Remove(happened);
                var before = state;
                (state, var effects) = PipelineMachine.Step(state, happened);
                if (state.Done != before.Done || state.Stage != before.Stage || state.Status != before.Status)
                    Mark(happened, done);
                foreach (var effect in effects)
                    pending.AddRange(Answers(effect, random));
                if (state.Status == PipelineStatus.Finished)
                    break;
            }

            Assert.Equal(PipelineStatus.Finished, state.Status);
            Assert.Equal(stages.Sum(), done.Count);
        }));

    private static void Mark(PipelineEvent happened, HashSet<UnitPlace> done)
    {
        var unit = happened switch
        {
            PipelineEvent.LookedUp { Found: true } e => e.Unit,
            PipelineEvent.Committed e => e.Unit,
            _ => (UnitPlace?)null,
        };
        if (unit is { } place)
            Assert.True(done.Add(place), $"{place} was done twice");
    }

    private static IEnumerable<PipelineEvent> Answers(PipelineEffect effect, Random random) => effect switch
    {
        PipelineEffect.LookUp e => [new PipelineEvent.LookedUp(e.Unit, random.Next(2) == 0)],
        PipelineEffect.Offer when random.Next(8) == 0 => [new PipelineEvent.Wanted(random.Next(3)), .. Answers(effect, random)],
        PipelineEffect.Offer e => random.Next(3) == 0
            ? [new PipelineEvent.AttemptFailed(e.Unit, OutcomeKind.Lost, s_passing, new AttemptCounts(0, 0, 0, 1, false)), new PipelineEvent.Rested(e.Unit)]
            : [new PipelineEvent.Committed(e.Unit)],
        PipelineEffect.Rest e => [new PipelineEvent.Rested(e.Unit)],
        _ => [],
    };

    private static Script Offered()
    {
        var script = new Script(2);
        script.Feed(new PipelineEvent.Begun());
        script.Feed(LookedUp(0, 0, found: false));
        script.Feed(LookedUp(0, 1, found: false));
        script.Take();
        return script;
    }

    private static PipelineEvent.LookedUp LookedUp(int stage, int index, bool found) => new(new UnitPlace(stage, index), found);

    private static PipelineEvent.AttemptFailed Failed(int times) =>
        new(new UnitPlace(0, 0), OutcomeKind.WorkloadFailed, s_passing, new AttemptCounts(times, 0, 0, 0, false));

    private sealed class Script(params int[] stages)
    {
        private readonly List<string> _effects = [];

        public PipelineState State { get; private set; } = PipelineState.Create(stages, s_retry);

        public void Feed(PipelineEvent happened)
        {
            (State, var effects) = PipelineMachine.Step(State, happened);
            _effects.AddRange(effects.Select(Describe));
        }

        /// <summary>The effects since the last call.</summary>
        public string Take()
        {
            var text = string.Join(", ", _effects);
            _effects.Clear();
            return text;
        }

        private static string Describe(PipelineEffect effect) => effect switch
        {
            PipelineEffect.LookUp e => $"LookUp {e.Unit.Stage}.{e.Unit.Index}",
            PipelineEffect.Offer e => $"Offer {e.Unit.Stage}.{e.Unit.Index}",
            PipelineEffect.Rest e => $"Rest {e.Unit.Stage}.{e.Unit.Index} {e.Delay.TotalSeconds}s",
            PipelineEffect.Invalidate e => $"Invalidate {e.Unit.Stage}.{e.Unit.Index}",
            PipelineEffect.GiveUp e => $"GiveUp {e.Unit.Stage}.{e.Unit.Index} {e.Failure.Code}",
            _ => effect.GetType().Name,
        };
    }
}
