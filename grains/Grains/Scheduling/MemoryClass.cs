namespace Orchestrator.Grains.Scheduling;

/// <summary>Amounts of memory, four to a doubling: units of about one size wait in one lane. What a unit needs is rounded up, what a worker has is rounded down.</summary>
internal static class MemoryClass
{
    /// <summary>Any worker has as much as a unit of this class needs.</summary>
    public const int Least = 0;

    /// <summary>Of a worker that does not tell.</summary>
    public const int Unknown = int.MaxValue;

    private const double LeastBytes = 64 << 20;
    private const int Steps = 4;

    /// <param name="bytes">Null where nobody knows.</param>
    public static int OfNeed(long? bytes) => bytes is > (long)LeastBytes and var need ? (int)Math.Ceiling(Steps * Math.Log2(need / LeastBytes)) : Least;

    /// <param name="bytes">Null where it does not tell.</param>
    public static int OfFree(long? bytes) => bytes switch
    {
        null => Unknown,
        > (long)LeastBytes and { } free => (int)Math.Floor(Steps * Math.Log2(free / LeastBytes)),
        _ => Least,
    };
}
