using Orchestrator.Grains;
using Orchestrator.Grains.Abstractions;
using Orleans;

namespace Orchestrator.Silo;

/// <summary>
/// A grain of <c>grains/Grains</c> in an Orleans activation. Orleans lets all calls in (the wrappers are reentrant); turns are kept by
/// <see cref="Activation{TGrain}"/> as in every other host, on the activation's own scheduler. What Orleans itself offers for calls that
/// interleave needs its attributes on the interface, or lets ordinary calls interleave with each other while such a call waits.
/// </summary>
/// <typeparam name="TGrain">The plain interface.</typeparam>
internal abstract class SiloGrain<TGrain>(SiloParts parts) : Grain
    where TGrain : class
{
    private SiloGrainHost? _host;

    protected SiloParts Parts => parts;

    protected string Key { get; private set; } = "";

    protected SiloGrainHost Host => _host!;

    protected Activation<TGrain> Turns { get; private set; } = null!;

    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        Key = this.GetPrimaryKeyString();
        Renew();
        return Task.CompletedTask;
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _host?.Dispose();
        return Task.CompletedTask;
    }

    protected abstract TGrain Create(IGrainHost host);

    /// <summary>A turn of the grain. Its end is the activation's, never the caller's: half a turn would be remembered as a whole one.</summary>
    protected Task<TResult> TurnAsync<TResult>(Func<TGrain, CancellationToken, Task<TResult>> call)
    {
        var stopping = Host.Stopping;
        return Turns.TurnAsync(g => call(g, stopping));
    }

    /// <inheritdoc cref="TurnAsync{TResult}"/>
    protected Task TurnAsync(Func<TGrain, CancellationToken, Task> call)
    {
        var stopping = Host.Stopping;
        return Turns.TurnAsync(g => call(g, stopping));
    }

    /// <summary>
    /// A call that waits in the grain, beside its turns. Orleans ends an activation only when no call is in it any more, and lets nothing in
    /// meanwhile: no other call, no timer of the grain, no cancellation. A call that waited for one of those would keep everybody waiting.
    /// </summary>
    /// <param name="most">How long, by the clock alone.</param>
    /// <exception cref="OperationCanceledException">The time is over, the activation or the caller's wait.</exception>
    protected async Task<TResult> WaitAsync<TResult>(Func<TGrain, CancellationToken, Task<TResult>> call, TimeSpan most, CancellationToken cancellationToken)
    {
        using var patience = new CancellationTokenSource(most, Parts.Clock);
        using var waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Host.Stopping, patience.Token);
        return await Turns.InterleaveAsync(g => call(g, waiting.Token));
    }

    /// <summary>Makes the grain anew, without the memory of the one before. That one's timers, messages and waiting calls end.</summary>
    protected void Renew()
    {
        _host?.Dispose();
        Activation<TGrain>? turns = null;
        var host = new SiloGrainHost(this, parts, Key, turn => turns!.TurnAsync(_ => turn()));
        turns = new Activation<TGrain>(async () =>
        {
            var grain = Create(host);
            if (grain is IActivatedGrain activated)
                await activated.ActivateAsync(host.Stopping);
            return grain;
        }, TaskScheduler.Current);
        (_host, Turns) = (host, turns);
    }

    /// <summary>A message that nobody waits for as an answer: where it fails for good the job ends with the reason.</summary>
    protected async Task TellAsync(Func<TGrain, CancellationToken, Task> call)
    {
        var host = Host;
        try
        {
            await TurnAsync(call);
        }
        catch (Exception fault) when (!CallFailure.IsTransient(fault))
        {
            host.Fail(fault);
            throw;
        }
    }
}
