namespace Orchestrator.Grains.Abstractions;

/// <summary>
/// All that a grain gets from whatever hosts it. A host runs one activation per key, one call of it at a time (a turn), except calls
/// marked <see cref="InterleavesAttribute"/>. To stay free of deadlocks grains wait for calls to those below them only (model, block,
/// layer, scheduler) and post to those above.
/// </summary>
public interface IGrainHost
{
    public string Key { get; }

    /// <summary>Unlike that of any other activation of the key: what the grain began is told apart from what an earlier activation had begun.</summary>
    public string Activation { get; }

    public TimeProvider Clock { get; }

    /// <summary>Cancelled when the activation ends.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>Another grain by its key. Not activated before it is called.</summary>
    public TGrain Peer<TGrain>(string key)
        where TGrain : class;

    /// <summary>Changes the persisted state under its ETag; reads and changes again where another activation was faster.</summary>
    /// <param name="change">Pure; null means no state yet.</param>
    /// <returns>The state as written.</returns>
    public Task<T> UpdateStateAsync<T>(Func<T?, T> change, CancellationToken cancellationToken)
        where T : class;

    /// <summary>Makes a call after this turn without waiting for it. A call that fails faults the host: nothing is lost silently.</summary>
    public void Post(Func<Task> message);

    /// <summary>Runs a turn later, and again every period where one is given. Disposing it ends it.</summary>
    public IDisposable StartTimer(TimeSpan due, TimeSpan? period, Func<Task> turn);
}

/// <summary>A grain with something to do before its first call.</summary>
public interface IActivatedGrain
{
    public Task ActivateAsync(CancellationToken cancellationToken);
}

/// <summary>The method may wait without holding up other calls of its grain.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class InterleavesAttribute : Attribute;
