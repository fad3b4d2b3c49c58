using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Estimates;
using Spectre.Console;

namespace Orchestrator.Cli.Progress;

/// <summary>Progress for logs and pipes: a line for each phase, tenth of the work or few seconds, never a flood.</summary>
internal sealed class PlainProgress(IAnsiConsole console, TimeProvider clock, JobEstimate? estimate = null) : IProgressView, IProgressSink
{
    private const double Step = 0.1;
    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(5);

    private readonly EtaEstimator _eta = new(clock, estimate);
    private long? _lastTime;
    private int _lastStep;
    private int _lastDone = -1;
    private string? _lastPhase;

    public Task<T> ShowAsync<T>(Func<IProgressSink, Task<T>> work) => work(this);

    public void Update(ProgressSnapshot snapshot)
    {
        var eta = _eta.Update(snapshot);
        var fraction = _eta.Fraction(snapshot);
        var step = (int)(fraction / Step);
        var quiet = _lastTime is { } last && clock.GetElapsedTime(last) < s_quiet;
        if (snapshot.Phase == _lastPhase && step == _lastStep && (quiet || snapshot.Done == _lastDone))
            return;
        (_lastTime, _lastStep, _lastPhase, _lastDone) = (clock.GetTimestamp(), step, snapshot.Phase, snapshot.Done);
        console.WriteLine(Line(snapshot, fraction, eta));
    }

    public void Note(string text) => console.WriteLine(text);

    private static string Line(ProgressSnapshot snapshot, double fraction, TimeSpan? eta)
    {
        var reused = snapshot.Reused > 0 ? $", {snapshot.Reused} reused" : "";
        var current = snapshot.Current is { } layer ? $", {layer}" : "";
        var left = eta is { } time && snapshot.Done < snapshot.Total ? $", {Figures.Duration(time.TotalSeconds)} left" : "";
        return $"[{fraction * 100,3:0} %] {snapshot.Phase}: {snapshot.Done} of {snapshot.Total} {snapshot.Things}{reused}{current}{left}";
    }
}
