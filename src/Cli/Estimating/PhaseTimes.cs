namespace Orchestrator.Cli.Estimating;

/// <summary>How long each phase of a run takes.</summary>
internal sealed class PhaseTimes(TimeProvider clock)
{
    private readonly Dictionary<string, double> _seconds = [];
    private string? _current;
    private long _since;

    public IReadOnlyDictionary<string, double> Seconds => _seconds;

    /// <summary>A phase begins, and the one before ends; null ends the last.</summary>
    public void Enter(string? phase)
    {
        if (phase == _current)
            return;
        var now = clock.GetTimestamp();
        if (_current is { } ended)
            _seconds[ended] = _seconds.GetValueOrDefault(ended) + clock.GetElapsedTime(_since, now).TotalSeconds;
        (_current, _since) = (phase, now);
    }
}
