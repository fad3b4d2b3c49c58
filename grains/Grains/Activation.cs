namespace Orchestrator.Grains;

/// <summary>
/// The turns of a grain, for its host. Everything of the grain runs on one exclusive scheduler, never two pieces at once; a turn also keeps
/// the next one waiting while it waits itself, an interleaving call does not. A grain that could not be activated is made anew at the
/// next call.
/// </summary>
public sealed class Activation<TGrain>
    where TGrain : class
{
    private readonly Func<Task<TGrain>> _create;
    private readonly TaskScheduler _scheduler;
    private Task<TGrain>? _grain;
    private Task _lastTurn = Task.CompletedTask;

    /// <param name="create">Makes and activates the grain; runs on its scheduler before the first call.</param>
    /// <param name="scheduler">Runs one piece at a time.</param>
    public Activation(Func<Task<TGrain>> create, TaskScheduler scheduler) => (_create, _scheduler) = (create, scheduler);

    /// <summary>Calls the grain in its turn.</summary>
    public Task<TResult> TurnAsync<TResult>(Func<TGrain, Task<TResult>> call) => StartAsync(async () =>
    {
        var before = _lastTurn;
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _lastTurn = over.Task;
        await before;
        try
        {
            return await call(await GrainAsync());
        }
        finally
        {
            over.SetResult();
        }
    });

    /// <inheritdoc cref="TurnAsync{TResult}"/>
    public Task TurnAsync(Func<TGrain, Task> call) => TurnAsync(async grain =>
    {
        await call(grain);
        return true;
    });

    /// <summary>Calls the grain beside its turns.</summary>
    public Task<TResult> InterleaveAsync<TResult>(Func<TGrain, Task<TResult>> call) => StartAsync(async () => await call(await GrainAsync()));

    private Task<TGrain> GrainAsync() => _grain is null or { IsFaulted: true } or { IsCanceled: true } ? _grain = _create() : _grain;

    private Task<TResult> StartAsync<TResult>(Func<Task<TResult>> run) =>
        Task.Factory.StartNew(run, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _scheduler).Unwrap();
}
