using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;

namespace Orchestrator.Grains.Tests;

/// <summary>A host for one grain whose peers are fakes; messages are kept until the test delivers them.</summary>
internal sealed class FakeGrainHost(string key, IBlobStore store, TimeProvider clock, params object[] peers) : IGrainHost
{
    private readonly Queue<Func<Task>> _posted = [];

    public string Key => key;

    public string Activation => "test";

    public TimeProvider Clock => clock;

    public CancellationToken Stopping => CancellationToken.None;

    public int Posted => _posted.Count;

    public TGrain Peer<TGrain>(string key)
        where TGrain : class => peers.OfType<TGrain>().Single();

    public Task<T> UpdateStateAsync<T>(Func<T?, T> change, CancellationToken cancellationToken)
        where T : class => new GrainStateStore(store, "test").UpdateAsync("local", GrainKeys.StateOf(key).Name, change, cancellationToken);

    public void Post(Func<Task> message) => _posted.Enqueue(message);

    public IDisposable StartTimer(TimeSpan due, TimeSpan? period, Func<Task> turn) =>
        clock.CreateTimer(_ => turn().GetAwaiter().GetResult(), null, due, period ?? Timeout.InfiniteTimeSpan);

    /// <summary>Delivers everything that was posted, and what that posts.</summary>
    public async Task DeliverAsync()
    {
        while (_posted.TryDequeue(out var message))
            await message();
    }

    /// <summary>Loses everything that was posted.</summary>
    public void Lose() => _posted.Clear();
}
