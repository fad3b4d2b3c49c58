using System.Globalization;

namespace Orchestrator.Cli.Simulating.World;

/// <summary>What happened in a run: a digest of all of it, and the last events in words.</summary>
internal sealed class WorldTrace
{
    private const int Kept = 40;
    private const ulong FnvOffset = 14_695_981_039_346_656_037;
    private const ulong FnvPrime = 1_099_511_628_211;

    private readonly Queue<(TimeSpan At, string Kind, string Text)> _last = new();
    private ulong _digest = FnvOffset;

    /// <summary>Equal for equal runs: every piece that ran and every event, in order.</summary>
    public string Digest => _digest.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>The last events, oldest first.</summary>
    public IReadOnlyList<string> Last => [.. _last.Select(e => string.Create(CultureInfo.InvariantCulture, $"{e.At.TotalSeconds,9:0.000} s  {e.Kind,-10} {e.Text}"))];

    public void Step(string process) => Add(process);

    public void Note(TimeSpan at, string kind, string text)
    {
        Add(kind);
        Add(text);
        _last.Enqueue((at, kind, text));
        if (_last.Count > Kept)
            _last.Dequeue();
    }

    private void Add(string text)
    {
        foreach (var c in text)
            _digest = (_digest ^ c) * FnvPrime;
        _digest = (_digest ^ '\n') * FnvPrime;
    }
}
