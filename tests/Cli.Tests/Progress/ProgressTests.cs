using Orchestrator.Cli.Output;
using Orchestrator.Cli.Progress;
using Orchestrator.Jobs.Estimates;

namespace Orchestrator.Cli.Tests.Progress;

public sealed class ProgressTests : IDisposable
{
    private readonly ManualClock _clock = new();
    private readonly StringWriter _written = new();

    private string[] Lines => _written.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public void Dispose() => _written.Dispose();

    [Fact]
    public void A_steady_pace_gives_an_exact_estimate()
    {
        var eta = new EtaEstimator(_clock);
        TimeSpan? left = null;
        for (var second = 1; second <= 25; second++)
        {
            _clock.Advance(1);
            left = eta.Update(At(second));
        }

        Assert.Equal(75, left!.Value.TotalSeconds, 1e-6);
    }

    [Fact]
    public void Reused_units_do_not_make_the_estimate_too_good()
    {
        var eta = new EtaEstimator(_clock);
        _clock.Advance(5);
        eta.Update(At(55) with { CostReused = 50 });
        _clock.Advance(5);
        var left = eta.Update(At(60) with { CostReused = 50 });

        Assert.Equal(40, left!.Value.TotalSeconds, 1e-6);
    }

    [Fact]
    public void One_unit_alone_tells_nothing()
    {
        var eta = new EtaEstimator(_clock);
        _clock.Advance(10);

        Assert.Null(eta.Update(At(1)));
    }

    [Fact]
    public void Without_progress_there_is_no_estimate()
    {
        var eta = new EtaEstimator(_clock);
        _clock.Advance(60);

        Assert.Null(eta.Update(At(0)));
    }

    [Fact]
    public void An_estimate_tells_the_time_from_the_start_and_what_is_measured_corrects_it()
    {
        var eta = new EtaEstimator(_clock, new JobEstimate
        {
            Seconds = 50,
            CpuSeconds = 50,
            MemoryBytes = 1,
            DiskBytes = 1,
            Phases = [new("statistics", 40, 40, 20), new("layers", 10, 10, 80)],
            Memory = new(1, 1, 1, ""),
            Disk = new(1, 1, 1, 1, 1),
        });

        Assert.Equal(50, eta.Update(At(0))!.Value.TotalSeconds, 1e-6);
        Assert.Equal(0.8, eta.Fraction(At(20)), 1e-6);
        Assert.Equal(1, eta.Fraction(At(90) with { Done = 100, Total = 100 }), 1e-6);
        _clock.Advance(80);
        // Half as fast as planned: what is left takes nearly twice its 10 seconds.
        Assert.InRange(eta.Update(At(20))!.Value.TotalSeconds, 18, 20);
    }

    [Fact]
    public void Plain_lines_come_for_a_phase_a_tenth_or_after_a_while_only()
    {
        var view = View();
        view.Update(At(0));
        for (var done = 1; done <= 100; done++)
        {
            _clock.Advance(0.01);
            view.Update(At(done));
        }

        Assert.Equal(11, Lines.Length);
        Assert.Equal("[  0 %] solving: 0 of 100 units", Lines[0]);
        Assert.Equal("[100 %] solving: 100 of 100 units", Lines[^1]);
    }

    [Fact]
    public void A_slow_job_gives_a_sign_of_life()
    {
        var view = View();
        view.Update(At(0));
        _clock.Advance(6);
        view.Update(At(1));
        _clock.Advance(6);
        view.Update(At(2));
        view.Update(At(2));

        Assert.Equal(3, Lines.Length);
        Assert.Contains("left", Lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void A_line_names_reused_units_and_the_layer()
    {
        View().Update(At(40) with { Reused = 30, Current = "/fc/Gemm" });

        Assert.Equal("[ 40 %] solving: 40 of 100 units, 30 reused, /fc/Gemm", Lines[0]);
    }

    private static ProgressSnapshot At(int done) => new("solving", done, 100, 0, done, 0, 100, null);

    private PlainProgress View() => new(new Terminal { Output = _written, Error = _written }.ForPeople(json: false), _clock);
}
