using Orchestrator.Grains.Abstractions;
using Orleans;
using Orleans.Runtime;

namespace Orchestrator.Silo;

/// <summary>What a grain sees of Orleans. Used on the activation's scheduler only.</summary>
/// <param name="turn">Runs something as a turn of the grain.</param>
internal sealed class SiloGrainHost(IGrainBase grain, SiloParts parts, string key, Func<Func<Task>, Task> turn) : IGrainHost, IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly HashSet<IGrainTimer> _timers = [];

    public string Key => key;

    public string Activation { get; } = Guid.NewGuid().ToString("N");

    public TimeProvider Clock => parts.Clock;

    public CancellationToken Stopping => _stopping.Token;

    public TGrain Peer<TGrain>(string key)
        where TGrain : class => parts.Peer<TGrain>(key);

    public Task<T> UpdateStateAsync<T>(Func<T?, T> change, CancellationToken cancellationToken)
        where T : class
    {
        var (tenant, name) = GrainKeys.StateOf(key);
        return parts.States.UpdateAsync(tenant ?? parts.Options.Tenant, name, change, cancellationToken);
    }

    public void Post(Func<Task> message)
    {
        if (!_stopping.IsCancellationRequested)
            _ = ObserveAsync(message);
    }

    public IDisposable StartTimer(TimeSpan due, TimeSpan? period, Func<Task> timed)
    {
        // Kept alive by its timers: what an idle grain forgets is what it waits for.
        var options = new GrainTimerCreationOptions(due, period ?? Timeout.InfiniteTimeSpan) { Interleave = true, KeepAlive = true };
        Timer? started = null;
        var timer = grain.RegisterGrainTimer(() => ObserveAsync(() => RunAsync(started!, period is null, timed)), options);
        _timers.Add(timer);
        return started = new Timer(this, timer);
    }

    /// <summary>Something went wrong that no retry cures.</summary>
    public void Fail(Exception fault)
    {
        if (!_stopping.IsCancellationRequested)
            _ = parts.Faults.ReportAsync(key, fault);
    }

    public void Dispose()
    {
        if (_stopping.IsCancellationRequested)
            return;
        // Not disposed: calls that are still under way hold its token.
        _stopping.Cancel();
        foreach (var timer in _timers)
            timer.Dispose();
        _timers.Clear();
    }

    private Task RunAsync(Timer timer, bool once, Func<Task> timed)
    {
        if (once)
            timer.Dispose();
        return turn(timed);
    }

    private async Task ObserveAsync(Func<Task> message)
    {
        try
        {
            await message();
        }
        catch (Exception fault)
        {
            Fail(fault);
        }
    }

    private sealed class Timer(SiloGrainHost host, IGrainTimer timer) : IDisposable
    {
        public void Dispose()
        {
            host._timers.Remove(timer);
            timer.Dispose();
        }
    }
}
