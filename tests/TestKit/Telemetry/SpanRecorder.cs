using System.Collections.Concurrent;
using System.Diagnostics;

namespace Orchestrator.TestKit.Telemetry;

/// <summary>Keeps every ended span of one source.</summary>
public sealed class SpanRecorder : IDisposable
{
    private readonly ConcurrentQueue<Activity> _ended = [];
    private readonly ActivityListener _listener;

    public SpanRecorder(ActivitySource source)
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = s => ReferenceEquals(s, source),
            Sample = static (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public IReadOnlyList<Activity> Ended => [.. _ended];

    public IReadOnlyList<Activity> Named(string start) => [.. _ended.Where(s => s.OperationName.StartsWith(start, StringComparison.Ordinal))];

    public void Dispose() => _listener.Dispose();
}
