using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Jobs;

namespace Orchestrator.Server.Leading;

/// <summary>Who a server is.</summary>
/// <param name="Name">What people call it.</param>
/// <param name="Address">Where clients and workers reach it.</param>
/// <param name="Process">Unlike that of any other process.</param>
public sealed record ServerIdentity(string Name, Uri Address, string Process);

/// <summary>
/// Which of several servers is the active one: whoever holds the head <c>cluster/server.head</c>. Clocks of different machines are never
/// compared: a standby measures with its own how long the head stays as it is, and the active server with its own how long ago it asked
/// for its last renewal. What a deposed server still does is harmless all the same: commits are create-only, wishes go under ETags, leases
/// carry terms.
/// </summary>
public sealed class Leadership(ClusterHeads heads, ServerIdentity self, LeadershipOptions options, TimeProvider clock)
{
    /// <summary>Wait before an operation of the store that failed is tried again.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(1);

    private Candidate _seen = new(null, null);
    private long _seenAt;

    // Every try has a number of its own: whose answer was lost is known when it is read back, and when it was asked for.
    private long _renewals;
    private long _renewalAsked;
    private Exception? _away;

    /// <summary>The head as it was read or written last; null before the first.</summary>
    public ServerHead? Head => _seen.Head;

    /// <summary>What the store said when it was asked last; null where it answered.</summary>
    public Exception? Away => Volatile.Read(ref _away);

    /// <summary>Waits for its turn, acts, and waits again where it was deposed, until it is asked to stop. Then another one may act at once.</summary>
    /// <param name="duty">What the active server does. Has to return soon after its tenure is over or the stop is asked for.</param>
    public async Task RunAsync(Func<Tenure, Task> duty, CancellationToken stop)
    {
        try
        {
            while (!stop.IsCancellationRequested)
            {
                using var tenure = await StandByAsync(stop);
                await ActAsync(tenure, duty);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Asked to stop while it stood by.
        }
    }

    private async Task<Tenure> StandByAsync(CancellationToken stop)
    {
        // What was seen before may be long ago, and was not watched since.
        var watched = false;
        while (true)
        {
            try
            {
                var (head, etag) = await heads.ReadServerAsync(stop).WaitAsync(options.Attempt, clock, stop);
                Volatile.Write(ref _away, null);
                if (!watched || etag != _seen.ETag)
                    See(head, etag);
                watched = true;
                if (IsFree && await TakeOverAsync(stop) is { } tenure)
                    return tenure;
            }
            catch (Exception away) when (IsAway(away))
            {
                Volatile.Write(ref _away, away);
                // Time goes on: nobody takes over a head that changed unseen, since its ETag is another.
            }

            await Task.Delay(options.Look, clock, stop);
        }
    }

    /// <summary>Never held, released, our own from a write whose answer was lost, or left alone for too long.</summary>
    private bool IsFree => _seen.ETag is null || _seen.Head is { IsReleased: true } || _seen.Head?.Holder == self.Process || clock.GetElapsedTime(_seenAt) >= options.Patience;

    private async Task<Tenure?> TakeOverAsync(CancellationToken stop)
    {
        // A damaged head does not tell its term, and terms must not repeat.
        var last = _seen.Head?.Term ?? (_seen.ETag is null ? 0 : clock.GetUtcNow().ToUnixTimeSeconds());
        var head = new ServerHead(last + 1, self.Name, self.Address, self.Process, ++_renewals, IsReleased: false);
        var asked = clock.GetTimestamp();
        if (await heads.ReplaceServerAsync(head, _seen.ETag, stop).WaitAsync(options.Attempt, clock, stop) is not { } etag)
            return null;
        var isHandedOver = _seen.Head is { IsReleased: true };
        See(head, etag);
        return new Tenure(head.Term, asked, options.Right, clock) { IsHandedOver = isHandedOver };
    }

    private async Task ActAsync(Tenure tenure, Func<Tenure, Task> duty)
    {
        using var done = new CancellationTokenSource();
        var renewing = RenewAsync(tenure, done.Token);
        try
        {
            await duty(tenure);
        }
        finally
        {
            // Not its asynchronous form, which would leave the caller's scheduler.
            Cancel(done);
            await renewing;
            await ReleaseAsync(tenure);
            tenure.End();
        }
    }

    private async Task RenewAsync(Tenure tenure, CancellationToken done)
    {
        try
        {
            while (!tenure.IsOver)
            {
                await Task.Delay(options.Renewal, clock, done);
                while (!tenure.IsOver && !await TryRenewAsync(tenure, done))
                    await Task.Delay(s_again, clock, done);
            }
        }
        catch (OperationCanceledException) when (done.IsCancellationRequested)
        {
            // The duty is over.
        }
    }

    /// <returns>False where it has to be tried again.</returns>
    private async Task<bool> TryRenewAsync(Tenure tenure, CancellationToken done)
    {
        try
        {
            var next = _seen.Head! with { Renewal = ++_renewals };
            _renewalAsked = clock.GetTimestamp();
            if (await heads.ReplaceServerAsync(next, _seen.ETag, CancellationToken.None).WaitAsync(options.Attempt, clock, done) is { } etag)
            {
                See(next, etag);
                tenure.Renew(_renewalAsked);
                return true;
            }

            // Another server took over, or an earlier try of ours was carried out after all.
            var (head, current) = await heads.ReadServerAsync(done).WaitAsync(options.Attempt, clock, done);
            See(head, current);
            if (IsOurs(tenure))
            {
                if (_seen.Head!.Renewal != _renewals)
                    return false;
                tenure.Renew(_renewalAsked);
                return true;
            }

            tenure.End();
            return true;
        }
        catch (Exception away) when (IsAway(away))
        {
            Volatile.Write(ref _away, away);
            return false;
        }
    }

    /// <summary>Says that the next one need not wait. Where that fails the next one waits.</summary>
    private async Task ReleaseAsync(Tenure tenure)
    {
        try
        {
            // Once more where a renewal that was under way came first.
            for (var attempt = 0; attempt < 2 && !tenure.IsOver && IsOurs(tenure); attempt++)
            {
                var next = _seen.Head! with { Renewal = ++_renewals, IsReleased = true };
                if (await heads.ReplaceServerAsync(next, _seen.ETag, CancellationToken.None).WaitAsync(options.Attempt, clock) is { } etag)
                {
                    See(next, etag);
                    return;
                }

                var (head, current) = await heads.ReadServerAsync(CancellationToken.None).WaitAsync(options.Attempt, clock);
                See(head, current);
            }
        }
        catch (Exception away) when (IsAway(away))
        {
            // The store is away: others find the head unchanged for long enough.
        }
    }

    private bool IsOurs(Tenure tenure) => _seen.Head is { IsReleased: false } head && head.Holder == self.Process && head.Term == tenure.Term;

    private void See(ServerHead? head, string? etag)
    {
        _seen = new Candidate(head, etag);
        Volatile.Write(ref _away, null);
        _seenAt = clock.GetTimestamp();
    }

    /// <summary>A head of a newer version is left to servers of that version.</summary>
    private static bool IsAway(Exception cause) => cause is IOException or UnauthorizedAccessException or TimeoutException or InputException { Code: "store-newer" };

    private static void Cancel(CancellationTokenSource source) => source.Cancel();

    private sealed record Candidate(ServerHead? Head, string? ETag);
}
