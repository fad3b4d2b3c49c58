using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>Why a job that shall run does not, in words that stay.</summary>
internal sealed record Trouble(string Code, string Message, string NextStep)
{
    /// <summary>The only one that passes by itself.</summary>
    public const string StoreAway = "store-unavailable";
}

/// <param name="Manifest">Null where it is damaged.</param>
/// <param name="Recorded">When; null where the store does not tell.</param>
internal sealed record JobEnd(EndRecord Record, Manifest? Manifest, DateTimeOffset? Recorded);

/// <summary>What a job is made from.</summary>
/// <param name="Model">Digest of the model's own blob.</param>
/// <param name="Weights">Digests of weights in blobs of their own; the model names them, so whoever may read it may read them.</param>
internal sealed record JobModel(string Model, string Profile, IReadOnlySet<string> Weights);

/// <summary>A job as the active server knows it. Safe for concurrent use; who changes what the job shall do holds <see cref="Gate"/>.</summary>
internal sealed class JobEntry(string tenant, string id)
{
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = NewSignal();
    private JobHead? _head;
    private JobEnd? _end;
    private JobProgress? _progress;
    private JobResult? _result;
    private Trouble? _trouble;
    private object? _run;

    public string Tenant { get; } = tenant;

    public string Id { get; } = id;

    public Turnstile Gate { get; } = new();

    public JobLog Log { get; } = new();

    /// <summary>Whether the lines of earlier servers are in the log.</summary>
    public bool HasHistory { get; set; }

    /// <summary>Null while it is not read, and where it is damaged.</summary>
    public JobHead? Head
    {
        get => Read(ref _head);
        set => Set(ref _head, value);
    }

    /// <summary>The end that stands for the job; null while it has not ended.</summary>
    public JobEnd? End
    {
        get => Read(ref _end);
        set => Set(ref _end, value);
    }

    /// <summary>As far as the job was seen running last.</summary>
    public JobProgress? Progress
    {
        get => Read(ref _progress);
        set => Set(ref _progress, value);
    }

    /// <summary>How it ended, where this server saw it or has folded its commits.</summary>
    public JobResult? Result
    {
        get => Read(ref _result);
        set => Set(ref _result, value);
    }

    public Trouble? Trouble
    {
        get => Read(ref _trouble);
        set => Set(ref _trouble, value);
    }

    /// <summary>Its grains are started.</summary>
    public bool IsRunning => Read(ref _run) is not null;

    /// <summary>Of its plan, once it was read: told while the store is away, too.</summary>
    public JobModel? Made { get; set; }

    /// <summary>Whether <see cref="Head"/> and <see cref="End"/> have been read.</summary>
    public bool IsLoaded { get; set; }

    /// <summary>Times that the coordinator failed under the job without a unit committed in between.</summary>
    public int Strikes { get; set; }

    public JobState State => End is not null || Head is { Wish: JobWish.Cancel } ? JobState.Ended
        : Head is { Wish: JobWish.Pause } ? JobState.Paused
        : IsRunning ? JobState.Running
        : JobState.Queued;

    /// <summary>Null until it has ended.</summary>
    public JobStatus? Status => End?.Record.Status ?? (Head is { Wish: JobWish.Cancel } ? JobStatus.Cancelled : null);

    public string? Reason => End is { } end ? end.Record.Reason : Head is { Wish: JobWish.Cancel, Reason: var reason } ? reason : Trouble?.Message;

    /// <summary>Completes at the next change or line of the log. Take it before looking.</summary>
    public Task Changed
    {
        get
        {
            lock (_lock)
                return _changed.Task;
        }
    }

    public void Note(JobLogLine line)
    {
        Log.Add(line);
        Tell();
    }

    /// <summary>What was done when the run under way was seen first, and when that was; null while nothing was.</summary>
    public (long Timestamp, double CostDone)? Began { get; private set; }

    /// <param name="run">Whatever runs it from now on.</param>
    public void Begin(object run)
    {
        lock (_lock)
            (_run, _trouble, _result, Began) = (run, null, null, null);
        Tell();
    }

    /// <summary>The run under way is so far.</summary>
    public void See(JobProgress progress, long timestamp)
    {
        // What was reused took no time: an estimate starts behind it.
        if (Began is null || progress.CostReused > Began.Value.CostDone)
            Began = (timestamp, progress.CostDone);
        // A job that was stopped has no units any more; its last figures say more.
        if (progress.UnitsTotal > 0)
            Progress = progress;
    }

    /// <summary>Nothing changes where another one runs it by now.</summary>
    public void Leave(object run)
    {
        lock (_lock)
            _run = _run == run ? null : _run;
        Tell();
    }

    /// <summary>The same job shall run once more, as if it had not ended.</summary>
    public void Reopen(JobHead head)
    {
        lock (_lock)
            (_head, _end, _result, _trouble) = (head, null, null, null);
        Tell();
    }

    private T? Read<T>(ref T? field)
        where T : class
    {
        lock (_lock)
            return field;
    }

    private void Set<T>(ref T? field, T? value)
        where T : class
    {
        lock (_lock)
            field = value;
        Tell();
    }

    private void Tell()
    {
        TaskCompletionSource told;
        lock (_lock)
            (told, _changed) = (_changed, NewSignal());
        told.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
