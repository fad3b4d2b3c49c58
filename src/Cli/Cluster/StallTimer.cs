namespace Orchestrator.Cli.Cluster;

/// <summary>Ends an exchange in which nothing has moved for a while, however long the whole of it takes.</summary>
internal sealed class StallTimer : IDisposable
{
    private readonly CancellationTokenSource _late;
    private readonly CancellationTokenSource _either;
    private readonly TimeSpan _patience;

    public StallTimer(TimeSpan patience, TimeProvider clock, CancellationToken cancellationToken)
    {
        _patience = patience;
        _late = new CancellationTokenSource(patience, clock);
        _either = CancellationTokenSource.CreateLinkedTokenSource(_late.Token, cancellationToken);
    }

    /// <summary>Cancelled when the time is over, and with the caller's own.</summary>
    public CancellationToken Token => _either.Token;

    /// <summary>Something moved.</summary>
    public void Renew() => _late.CancelAfter(_patience);

    public void Dispose()
    {
        _either.Dispose();
        _late.Dispose();
    }
}
