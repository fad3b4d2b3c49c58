namespace Orchestrator.Worker.Leasing;

/// <summary>Units run side by side, or one of them alone; who wants to be alone goes before those who come later.</summary>
internal sealed class AloneGate
{
    private readonly Lock _lock = new();
    private readonly Queue<(bool Alone, TaskCompletionSource Enter)> _waiting = [];
    private int _inside;
    private bool _isAlone;

    /// <summary>Enters; to be followed by <see cref="Leave"/>, unless it was cancelled.</summary>
    public async Task EnterAsync(bool alone, CancellationToken cancellationToken)
    {
        var enter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_lock)
        {
            _waiting.Enqueue((alone, enter));
            Admit();
        }

        using var cancelled = cancellationToken.Register(() => enter.TrySetCanceled(cancellationToken));
        try
        {
            await enter.Task;
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
                Admit();
            throw;
        }
    }

    public void Leave()
    {
        lock (_lock)
        {
            _inside--;
            _isAlone = false;
            Admit();
        }
    }

    private void Admit()
    {
        while (_waiting.TryPeek(out var next) && (next.Enter.Task.IsCanceled || (!_isAlone && (!next.Alone || _inside == 0))))
        {
            _waiting.Dequeue();
            // Not where it was cancelled at this moment.
            if (!next.Enter.TrySetResult())
                continue;
            _inside++;
            _isAlone = next.Alone;
        }
    }
}
