namespace Orchestrator.Embedded;

/// <summary>
/// The one activation of a key. Everything of the grain runs on one exclusive scheduler, never two pieces at once; a turn also keeps
/// the next one waiting while it waits itself, an interleaving call does not.
/// </summary>
internal sealed class Activation<TGrain>
    where TGrain : class
{
    private readonly TaskScheduler _scheduler = new ConcurrentExclusiveSchedulerPair().ExclusiveScheduler;
    private readonly Lazy<Task<TGrain>> _grain;
    private Task _lastTurn = Task.CompletedTask;

    /// <param name="create">Makes and activates the grain; runs on its scheduler before the first call.</param>
    public Activation(Func<Task<TGrain>> create) => _grain = new Lazy<Task<TGrain>>(create);

    /// <summary>Calls the grain in its turn.</summary>
    public Task<TResult> TurnAsync<TResult>(Func<TGrain, Task<TResult>> call) => StartAsync(async () =>
    {
        var before = _lastTurn;
        var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _lastTurn = over.Task;
        await before;
        try
        {
            return await call(await _grain.Value);
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
    public Task<TResult> InterleaveAsync<TResult>(Func<TGrain, Task<TResult>> call) => StartAsync(async () => await call(await _grain.Value));

    private Task<TResult> StartAsync<TResult>(Func<Task<TResult>> run) =>
        Task.Factory.StartNew(run, CancellationToken.None, TaskCreationOptions.DenyChildAttach, _scheduler).Unwrap();
}
