using System.Text;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>Gathers units for one stored document and knows when it is full.</summary>
internal sealed class StageBatch
{
    /// <summary>Room for the envelope and the lists' own names.</summary>
    private const int Overhead = 4_096;

    private readonly List<Pick> _picks = [];
    private readonly List<string> _roles = [];
    private readonly List<UnitMetrics> _extras = [];
    private readonly Dictionary<string, int> _extraPlaces = new(StringComparer.Ordinal);
    private readonly List<Revocation> _revoked = [];
    private int _loose = Overhead;

    public int Count => _picks.Count;

    public bool IsEmpty => _picks.Count == 0 && _revoked.Count == 0;

    /// <summary>Upper bound of the document's length.</summary>
    public int StoredBytes => _loose + _picks.Count * StageColumns.StoredBytes(_roles.Count);

    public void Add(Revocation revoked)
    {
        _revoked.Add(revoked);
        _loose += CanonicalJson.Serialize(revoked).Length + 1;
    }

    public void Add(StageCommit commit)
    {
        foreach (var output in commit.Record.Outputs)
            Need(output.Role);
        _picks.Add(new Pick(null, 0, commit, Place(StageColumns.ExtraIn(commit.Record.Metrics))));
    }

    /// <param name="extras">What the source's extras became here so far, by their place; filled as they come.</param>
    public void Add(StageColumns source, int unit, Dictionary<int, int> extras)
    {
        foreach (var role in source.Roles)
            Need(role);
        var extra = source.ExtraOf(unit);
        if (!extras.TryGetValue(extra, out var place))
            extras[extra] = place = Place(extra == 0 ? null : source.Extras[extra - 1]);
        _picks.Add(new Pick(source, unit, default, place));
    }

    public StageRecord Make(string stage, long from, long to)
    {
        var roles = _roles.ToArray();
        var columns = StageColumns.Create(roles, _picks.Count);
        columns.Extras.AddRange(_extras);
        foreach (var pick in _picks)
        {
            if (pick.Source is null)
                columns.Append(pick.Commit, pick.Extra);
            else if (pick.Source.Roles.SequenceEqual(roles))
                columns.Append(pick.Source, pick.Unit, pick.Extra);
            else
                columns.Append(StageUnits.CommitOf(pick.Source, pick.Unit), pick.Extra);
        }

        return new StageRecord(stage, from, to, columns, [.. _revoked]);
    }

    private void Need(string role)
    {
        if (_roles.Contains(role))
            return;
        _roles.Add(role);
        _loose += role.Length + 3;
    }

    private int Place(UnitMetrics? extra)
    {
        if (extra is null)
            return 0;
        var text = Encoding.UTF8.GetString(CanonicalJson.Serialize(extra));
        if (_extraPlaces.TryGetValue(text, out var place))
            return place;
        _extras.Add(extra);
        _loose += Encoding.UTF8.GetByteCount(text) + 1;
        return _extraPlaces[text] = _extras.Count;
    }

    private readonly record struct Pick(StageColumns? Source, int Unit, StageCommit Commit, int Extra);
}
