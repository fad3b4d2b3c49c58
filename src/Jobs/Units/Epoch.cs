namespace Orchestrator.Jobs.Units;

/// <summary>A lease's fencing number. The term is raised once per activation of the scheduler, the counter once per lease, so no two leases of one store share an epoch.</summary>
public readonly record struct Epoch(long Term, long Counter) : IComparable<Epoch>
{
    /// <summary>The attempt's name: what makes its output blobs its own.</summary>
    public string Attempt => $"{Term}-{Counter}";

    public int CompareTo(Epoch other) => Term != other.Term ? Term.CompareTo(other.Term) : Counter.CompareTo(other.Counter);

    public static bool operator <(Epoch left, Epoch right) => left.CompareTo(right) < 0;

    public static bool operator >(Epoch left, Epoch right) => left.CompareTo(right) > 0;

    public static bool operator <=(Epoch left, Epoch right) => left.CompareTo(right) <= 0;

    public static bool operator >=(Epoch left, Epoch right) => left.CompareTo(right) >= 0;
}
