using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>
/// The newest lines of a job's log, each with a number that only grows. Kept in memory and, all of them in one small head, in the store:
/// after a take-over the lines of the last seconds may be missing, the others are there. Safe for concurrent use.
/// </summary>
internal sealed class JobLog
{
    /// <summary>Lines that are kept.</summary>
    private const int Most = 500;

    /// <summary>Longest message; the end of a longer one is cut off, so that all lines together stay below 1 MiB.</summary>
    private const int MostLetters = 1_000;

    private readonly Lock _lock = new();
    private readonly Queue<JobLogLine> _lines = [];
    private long _next;
    private long _kept;

    /// <summary>Number of the next line.</summary>
    public long Next
    {
        get
        {
            lock (_lock)
                return _next;
        }
    }

    public void Add(JobLogLine line)
    {
        if (line.Message.Length > MostLetters)
            line = line with { Message = $"{line.Message[..MostLetters]} …" };
        lock (_lock)
        {
            _lines.Enqueue(line);
            _next++;
            while (_lines.Count > Most)
                _lines.Dequeue();
        }
    }

    /// <summary>Puts lines of an earlier server before those of this one.</summary>
    public void Precede(StoredLog stored)
    {
        lock (_lock)
        {
            JobLogLine[] own = [.. _lines];
            _lines.Clear();
            foreach (var line in stored.Lines.Concat(own).TakeLast(Most))
                _lines.Enqueue(line);
            _next += stored.Lines.Count;
            _kept += own.Length == 0 ? stored.Lines.Count : 0;
        }
    }

    /// <summary>Lines from a number on, as far as they are kept, and the number to go on from.</summary>
    public (IReadOnlyList<JobLogLine> Lines, long Next) From(long number)
    {
        lock (_lock)
        {
            var first = _next - _lines.Count;
            return ([.. _lines.Skip((int)Math.Max(number - first, 0))], _next);
        }
    }

    /// <returns>All lines where some of them are not in the store yet; else null.</returns>
    public StoredLog? Unsaved()
    {
        lock (_lock)
            return _kept == _next ? null : new StoredLog([.. _lines]) { Next = _next };
    }

    public void Saved(StoredLog log)
    {
        lock (_lock)
            _kept = Math.Max(_kept, log.Next);
    }
}

/// <summary>The lines as they are stored.</summary>
internal sealed record StoredLog(IReadOnlyList<JobLogLine> Lines)
{
    /// <summary>Number after the last of them.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public long Next { get; init; }
}
