using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Cli.Working;

/// <summary>What a worker did, added up; and a person's lines: one for what is out of the ordinary, one a minute for the rest.</summary>
/// <param name="say">Gets kind and words.</param>
internal sealed class WorkerTally(Action<string, string> say, TimeProvider clock) : IWorkerObserver
{
    private static readonly TimeSpan s_quiet = TimeSpan.FromMinutes(1);

    private readonly Lock _lock = new();
    private readonly long _started = clock.GetTimestamp();
    private readonly HashSet<string> _running = [];
    private long _told = clock.GetTimestamp();
    private string? _lastNote;
    private int _units;
    private int _failed;
    private int _handedBack;
    private int _notUsed;
    private double _unitSeconds;
    private long _written;

    public void Started(Lease lease)
    {
        lock (_lock)
        {
            _running.Add(lease.Epoch.Attempt);
            // Whoever was lost is there again.
            _lastNote = null;
            Tell();
        }
    }

    public void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold)
    {
        lock (_lock)
        {
            _running.Remove(lease.Epoch.Attempt);
            _unitSeconds += time.TotalSeconds;
            _written += outcome.Outputs.Sum(output => output.Blob.Length);
            if (!isTold)
                _notUsed++;
            else if (outcome.Kind == OutcomeKind.Completed)
                _units++;
            else if (outcome.Kind == OutcomeKind.Cancelled)
                _handedBack++;
            else
                _failed++;
            if (!isTold)
                say("not-used", $"unit {lease.Unit.Id}: its lease was over before its end was told");
            else if (outcome.Failure is { } failure)
                say(outcome.Kind == OutcomeKind.Cancelled ? "handed-back" : "failed", $"unit {lease.Unit.Id}: {failure.Code}: {failure.Message}");
            Tell();
        }
    }

    public void Noted(string kind, string message)
    {
        lock (_lock)
        {
            // A server that stays away is told of once.
            if (kind == _lastNote)
                return;
            _lastNote = kind;
            say(kind, message);
        }
    }

    public WorkerResult Result(string name, long bytesRead)
    {
        lock (_lock)
            return new WorkerResult(name, _units, _failed, _handedBack, _notUsed, clock.GetElapsedTime(_started).TotalSeconds, _unitSeconds, bytesRead, _written);
    }

    private void Tell()
    {
        if (clock.GetElapsedTime(_told) < s_quiet)
            return;
        _told = clock.GetTimestamp();
        say("working", $"{_units} units done, {_failed} failed, {_running.Count} under way");
    }
}
