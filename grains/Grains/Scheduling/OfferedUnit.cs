using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Scheduling;

/// <summary>A unit that waits or is leased.</summary>
/// <param name="number">Higher than of all that were offered before.</param>
/// <param name="offered">When.</param>
internal sealed class OfferedUnit(UnitOffer offer, long number, TimeSpan offered)
{
    public UnitOffer Offer => offer;

    public long Number => number;

    public TimeSpan Offered => offered;

    /// <summary>Where it waits; null once it is leased.</summary>
    public LaneQueue? Queue { get; set; }

    /// <summary>Still in a queue, to be passed over.</summary>
    public bool IsDropped { get; set; }

    /// <summary>Null while it waits.</summary>
    public string? Worker { get; set; }

    public Epoch Epoch { get; set; }

    public TimeSpan Until { get; set; }

    public TimeSpan Since { get; set; }

    public double Fraction { get; set; }
}
