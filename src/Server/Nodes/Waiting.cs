namespace Orchestrator.Server.Nodes;

/// <summary>
/// Waits that can be given up and whose continuations go straight to the waiter's scheduler. <see cref="Task.WaitAsync(CancellationToken)"/>,
/// <see cref="Task.WhenAny(Task[])"/> and a cancellable wait for a semaphore pass through the thread pool, which a server that runs on
/// virtual time does not have.
/// </summary>
internal static class Waiting
{
    /// <summary>Waits for a signal or for the token.</summary>
    public static async Task OrAsync(this Task signal, CancellationToken cancellationToken)
    {
        if (!signal.IsCompleted && cancellationToken.CanBeCanceled)
        {
            var either = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var given = cancellationToken.UnsafeRegister(static e => ((TaskCompletionSource)e!).TrySetResult(), either);
            _ = PassAsync(signal, either);
            await either.Task;
            if (!signal.IsCompleted)
                cancellationToken.ThrowIfCancellationRequested();
        }

        await signal;
    }

    private static async Task PassAsync(Task signal, TaskCompletionSource to)
    {
        await signal.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        to.TrySetResult();
    }
}

/// <summary>Lets one in at a time, first come, first served. Safe for concurrent use.</summary>
internal sealed class Turnstile
{
    private readonly Lock _lock = new();
    private readonly LinkedList<TaskCompletionSource> _waiting = [];
    private bool _isTaken;

    /// <summary>Waits for its turn; whoever got it has to <see cref="Release"/>.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        TaskCompletionSource turn;
        lock (_lock)
        {
            if (!_isTaken)
            {
                _isTaken = true;
                return;
            }

            turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting.AddLast(turn);
        }

        using var given = cancellationToken.UnsafeRegister(static t => ((TaskCompletionSource)t!).TrySetCanceled(), turn);
        await turn.Task;
    }

    public void Release()
    {
        lock (_lock)
        {
            // Those that gave up are passed over.
            while (_waiting.First is { } next)
            {
                _waiting.RemoveFirst();
                if (next.Value.TrySetResult())
                    return;
            }

            _isTaken = false;
        }
    }
}
