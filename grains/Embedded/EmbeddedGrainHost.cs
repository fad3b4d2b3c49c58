using Orchestrator.Grains.Abstractions;

namespace Orchestrator.Embedded;

/// <summary>What one activation sees of the host.</summary>
/// <param name="turn">Runs something as a turn of the activation.</param>
internal sealed class EmbeddedGrainHost(EmbeddedHost host, string key, Func<Func<Task>, Task> turn) : IGrainHost
{
    public string Key => key;

    /// <summary>The host's own: it has one activation per key.</summary>
    public string Activation => host.Identity;

    public TimeProvider Clock => host.Clock;

    public CancellationToken Stopping => host.Stopping;

    public TGrain Peer<TGrain>(string key)
        where TGrain : class => host.Grain<TGrain>(key);

    public Task<T> UpdateStateAsync<T>(Func<T?, T> change, CancellationToken cancellationToken)
        where T : class => host.UpdateStateAsync(key, change, cancellationToken);

    public void Post(Func<Task> message)
    {
        if (!Stopping.IsCancellationRequested)
            host.Observe(message());
    }

    public IDisposable StartTimer(TimeSpan due, TimeSpan? period, Func<Task> turn) => new TurnTimer(this, due, period, turn);

    private void RunTurn(Func<Task> timed)
    {
        if (!Stopping.IsCancellationRequested)
            host.Observe(turn(timed));
    }

    private sealed class TurnTimer : IDisposable
    {
        private readonly ITimer _timer;
        private readonly CancellationTokenRegistration _end;

        public TurnTimer(EmbeddedGrainHost owner, TimeSpan due, TimeSpan? period, Func<Task> turn)
        {
            _timer = owner.Clock.CreateTimer(_ => owner.RunTurn(turn), null, due, period ?? Timeout.InfiniteTimeSpan);
            _end = owner.Stopping.UnsafeRegister(static timer => ((ITimer)timer!).Dispose(), _timer);
        }

        public void Dispose()
        {
            _end.Dispose();
            _timer.Dispose();
        }
    }
}
