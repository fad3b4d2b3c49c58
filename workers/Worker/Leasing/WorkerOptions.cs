namespace Orchestrator.Worker.Leasing;

/// <param name="Name">Unique among the workers of a coordinator.</param>
/// <param name="Profiles">Numeric profiles of this machine, the best first; only units pinned to one of them are leased.</param>
/// <param name="Slots">Units run at once.</param>
/// <param name="CacheBytes">Input blobs kept in memory between units.</param>
/// <param name="HeartbeatEvery">How often leases are renewed; a small part of their duration.</param>
/// <param name="SkewMargin">Time before a lease's end at which its unit stops, if the lease could not be renewed.</param>
public sealed record WorkerOptions(string Name, IReadOnlyList<string> Profiles, int Slots, long CacheBytes, TimeSpan HeartbeatEvery, TimeSpan SkewMargin)
{
    public const long DefaultCacheBytes = 512L << 20;

    public static WorkerOptions Create(string name, string profile, int slots) =>
        new(name, [profile], slots, DefaultCacheBytes, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5));
}
