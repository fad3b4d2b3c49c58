using System.Globalization;
using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Scheduling;

/// <summary>Why units wait, found out once for all that are alike.</summary>
internal sealed class WaitReasons(LiveWorkers workers)
{
    private const double Gibibyte = 1L << 30;

    private static readonly UnitWait s_queued = new("queued", "A worker takes it when it has a free slot.");
    private static readonly UnitWait s_alone = new("no-worker", "No worker is alive. Start one with `orc worker`.");

    private readonly Dictionary<(string Profile, int Memory), UnitWait> _known = [];

    public UnitWait Of(UnitOffer offer)
    {
        var (profile, memory) = (offer.Unit.Profile, MemoryClass.OfNeed(offer.MemoryBytes));
        if (!_known.TryGetValue((profile, memory), out var wait))
            _known[(profile, memory)] = wait = Find(profile, memory, offer.MemoryBytes);
        return wait;
    }

    private UnitWait Find(string profile, int memory, long? bytes)
    {
        if (workers.CanAnyTake(profile, memory, new HashSet<string>()))
            return s_queued;
        if (!workers.HasAny)
            return s_alone;
        return new UnitWait("no-matching-worker", workers.HasProfile(profile)
            ? string.Create(CultureInfo.InvariantCulture, $"No worker of profile '{profile}' has the {bytes / Gibibyte:0.0} GiB free that the unit is estimated to take. Start one on a larger machine, or with fewer slots.")
            : $"No worker that is alive has profile '{profile}'. Start one on a matching machine.");
    }
}
