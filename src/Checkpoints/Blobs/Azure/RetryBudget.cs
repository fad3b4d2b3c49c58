namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>
/// How many calls beside the first ones may be made: a share of all first calls, and a trickle so that a caller who makes few calls may retry
/// too. Without it every caller's retries fall on a store that is overloaded already.
/// </summary>
internal sealed class RetryBudget(TimeProvider clock)
{
    /// <summary>Extra calls a first call allows.</summary>
    public const double Share = 0.1;

    /// <summary>Extra calls a second allows.</summary>
    public const double PerSecond = 1;

    /// <summary>Extra calls that may be saved up, and that there are to begin with.</summary>
    public const double Most = 30;

    private readonly Lock _lock = new();
    private double _extra = Most;
    private long _seen = clock.GetTimestamp();

    /// <summary>A first call is made.</summary>
    public void Deposit()
    {
        lock (_lock)
            _extra = Math.Min(Most, _extra + Share);
    }

    /// <returns>False where no extra call may be made now.</returns>
    public bool TryWithdraw()
    {
        lock (_lock)
        {
            var now = clock.GetTimestamp();
            _extra = Math.Min(Most, _extra + clock.GetElapsedTime(_seen, now).TotalSeconds * PerSecond);
            _seen = now;
            if (_extra < 1)
                return false;
            _extra--;
            return true;
        }
    }
}
