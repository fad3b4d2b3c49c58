using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>
/// Sees everything that counts and checks the promises of design.md section 5 at every change: each unit committed once, by whoever held
/// its lease; nothing committed after a stop was acknowledged; nothing claimed that is not committed.
/// </summary>
internal sealed class Witness(SimulatedWorld world)
{
    private readonly Dictionary<(string Place, string Key), Epoch> _live = [];
    private readonly Dictionary<string, CommitDocument> _documents = new(StringComparer.Ordinal);
    private readonly HashSet<string> _damaged = new(StringComparer.Ordinal);
    private readonly HashSet<string> _damagedAttempts = new(StringComparer.Ordinal);
    private readonly HashSet<(string Place, string Key)> _disturbed = [];
    private readonly HashSet<Epoch> _granted = [];
    private readonly HashSet<Epoch> _accepted = [];
    private readonly HashSet<string> _ends = new(StringComparer.Ordinal);
    private readonly HashSet<SimulatedProcess> _coordinators = [];
    private readonly Dictionary<SimulatedProcess, TimeSpan> _stopped = [];
    private readonly Dictionary<string, TimeSpan> _stoppedTenants = new(StringComparer.Ordinal);
    private long _term;
    private int _revoked;

    /// <summary>Commits that were made, repairs included.</summary>
    public int Commits { get; private set; }

    public int Doubled { get; private set; }

    public int Lost { get; private set; }

    /// <summary>Blobs that were stored damaged.</summary>
    public int DamagedBlobs { get; private set; }

    public void Coordinates(SimulatedProcess process) => _coordinators.Add(process);

    /// <summary>A stop of all jobs of a coordinator was acknowledged.</summary>
    public void Stopped(SimulatedProcess coordinator) => _stopped[coordinator] = world.Now;

    public void StartedAgain(SimulatedProcess coordinator) => _stopped.Remove(coordinator);

    /// <summary>A server took over.</summary>
    public void TookOver(SimulatedProcess server, long term)
    {
        if (term <= _term)
            world.Report("every take-over raises the term", $"{server.Name} took over in term {term}, and there was one in term {_term}");
        _term = Math.Max(_term, term);
    }

    /// <summary>A pause or a cancel of a tenant's only job was answered.</summary>
    public void MayNotCommit(string tenant) => _stoppedTenants[tenant] = world.Now;

    public void MayCommit(string tenant) => _stoppedTenants.Remove(tenant);

    /// <summary>What a server claims of a job.</summary>
    public void Claimed(JobView view)
    {
        if (DamagedBlobs + _revoked == 0 && view.UnitsDone > _live.Count)
            world.Report("status equals the fold of commits", $"{view.UnitsDone} units are told to be done, {_live.Count} are committed");
    }

    public void Damaged(string name)
    {
        DamagedBlobs++;
        _damaged.Add(name);
        if (BlobNames.ProducerOf(name) is var (key, epoch))
            _damagedAttempts.Add(AttemptOf(key, epoch));
    }

    public void Leased(Lease lease)
    {
        if (!_granted.Add(lease.Epoch))
            world.Report("epochs are never reused", $"{lease.Epoch.Attempt} was leased twice, now for {lease.Unit.Id}");
    }

    /// <param name="isLate">The lease had ended by then.</param>
    public void Accepted(Epoch epoch, bool isLate)
    {
        if (isLate)
            world.Report("late completions are refused", $"{epoch.Attempt} completed after its lease had ended and was accepted");
        _accepted.Add(epoch);
    }

    /// <param name="head">Content of the head of the log that the blob is part of, where there is one.</param>
    public void Created(SimulatedProcess process, TimeSpan asked, string name, ReadOnlyMemory<byte> content, ReadOnlyMemory<byte>? head)
    {
        if (CommitDocument.Read(name, content, head) is { } document)
        {
            _documents[name] = document;
            if (document.Kind == CommitDocumentKind.Segment)
                CheckRight(process, name);
            else
                Committed(process, asked, document);
            // Nobody will ever read what it says.
            if (_damaged.Contains(name))
                Forget(document);
        }
        else if (name.Contains("/ends/", StringComparison.Ordinal) && !_damaged.Contains(name) && !_ends.Add(RunOf(name)))
            world.Report("a run ends once", $"'{name}' was written, and another end of its run is sound");
        else
            CheckRight(process, name);
    }

    public void Replaced(SimulatedProcess process, string name) => CheckRight(process, name);

    public void Deleted(SimulatedProcess process, string name)
    {
        CheckRight(process, name);
        if (name.Contains("/ends/", StringComparison.Ordinal))
            world.Report("a run ends once", $"'{name}' was deleted");
        // Whoever needs them still revokes what stands for them.
        if (BlobNames.ProducerOf(name) is var (key, epoch) && BlobNames.RoleOf(name) == Roles.Activations)
            _damagedAttempts.Add(AttemptOf(key, epoch));
        // As it was created: what is stored may be damaged. Segments and later records stand for a log's records.
        if (!_documents.Remove(name, out var document) || document.Kind is not (CommitDocumentKind.Record or CommitDocumentKind.Revocation))
            return;
        Lost++;
        world.Report("no commit is lost", $"'{name}' was deleted");
    }

    /// <summary>What a job claims while it runs.</summary>
    public void Progressed(JobProgress progress)
    {
        if (DamagedBlobs + _revoked == 0 && progress.UnitsDone > _live.Count)
            world.Report("status equals the fold of commits", $"{progress.UnitsDone} units are told to be done, {_live.Count} are committed");
    }

    /// <summary>What a job came to, against the same job without faults.</summary>
    public void Ended(JobResult result, SimulatedOutcome expected)
    {
        if (result.Status != JobStatus.Succeeded)
            return;
        // Where a record was damaged after the end, whoever only reads finds units missing; whoever runs the job again makes them again.
        if (result.Fold.Length == 0 && DamagedBlobs > 0)
            return;
        if (result.Fold != expected.Fold || result.Model?.Sha256 != expected.Model)
            world.Report("same inputs, same bytes", $"job {result.Job.JobId} came to another result than without faults");
    }

    private void Committed(SimulatedProcess process, TimeSpan asked, CommitDocument document)
    {
        if (!_coordinators.Contains(process))
            world.Report("only coordinators commit", $"{process.Name} wrote a commit");
        if (_stopped.TryGetValue(process, out var since) && asked > since && document.Commits.Count > 0)
            world.Report("nothing is committed after a stop", $"{process.Name} committed {document.Commits.Count} unit(s) after its stop was acknowledged");
        if (_stoppedTenants.TryGetValue(document.Place[..document.Place.IndexOf('/')], out var answered) && asked > answered && document.Commits.Count > 0)
            world.Report("nothing is committed after a pause or a cancel was answered", $"{process.Name} committed {document.Commits.Count} unit(s) after that");
        foreach (var (key, epoch) in document.Revoked)
        {
            // Only the commit that was found damaged may go. Who wrote a record that was stored damaged knows what others never read: it may revoke what does not stand for them, or commit beside it.
            _revoked++;
            if (!_live.Remove((document.Place, key), out var live) || (epoch == live && _damagedAttempts.Contains(AttemptOf(key, live))) || _disturbed.Contains((document.Place, key)))
                continue;
            Lost++;
            world.Report("no commit is lost", $"the commit of {key} by {live.Attempt} was revoked, and nothing of it was damaged");
        }

        foreach (var (key, epoch) in document.Commits)
        {
            Commits++;
            if (!_accepted.Contains(epoch))
                world.Report("commits are fenced", $"{key} was committed for {epoch.Attempt}, whose completion nobody accepted");
            if (_live.TryAdd((document.Place, key), epoch) || _disturbed.Contains((document.Place, key)))
                continue;
            Doubled++;
            world.Report("each unit is committed once", $"{key} was committed by {epoch.Attempt}, and {_live[(document.Place, key)].Attempt} stood");
        }
    }

    private static string AttemptOf(string key, Epoch epoch) => $"{key}/{epoch.Attempt}";

    /// <summary>An end that replaces a damaged one has the same run and another number.</summary>
    private static string RunOf(string end) => end[..end.IndexOf('.', end.LastIndexOf('/'))];

    private void Forget(CommitDocument document)
    {
        foreach (var (key, _) in document.Commits)
            _live.Remove((document.Place, key));
        if (document.Kind == CommitDocumentKind.LogRecord)
            _disturbed.UnionWith(document.Commits.Select(c => c.Key).Concat(document.Revoked.Select(r => r.Key)).Select(key => (document.Place, key)));
    }

    /// <summary>Workers may create outputs of their attempts and states of their units, and nothing else.</summary>
    private void CheckRight(SimulatedProcess process, string name)
    {
        if (!_coordinators.Contains(process) && !name.Contains("/attempts/", StringComparison.Ordinal) && !name.Contains("/states/", StringComparison.Ordinal))
            world.Report("only coordinators keep books", $"{process.Name} changed '{name}'");
    }
}

/// <summary>What a job comes to when nothing goes wrong.</summary>
/// <param name="Model">SHA-256 of the model.</param>
internal sealed record SimulatedOutcome(string Fold, string? Model, int Units);
