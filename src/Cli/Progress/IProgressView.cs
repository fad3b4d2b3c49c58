namespace Orchestrator.Cli.Progress;

/// <summary>Shows a job's progress while it runs.</summary>
internal interface IProgressView
{
    /// <summary>Runs <paramref name="work"/> and shows what it reports.</summary>
    public Task<T> ShowAsync<T>(Func<IProgressSink, Task<T>> work);
}

/// <summary>What a running job tells its view. Called from one place at a time.</summary>
internal interface IProgressSink
{
    public void Update(ProgressSnapshot snapshot);

    /// <summary>Something that must not go by unseen: a rescue, a retry.</summary>
    public void Note(string text);
}
