namespace Orchestrator.Cli.Simulating.Faults;

/// <summary>What happens to an operation of a store or to a message.</summary>
internal enum Fault
{
    None = 0,

    /// <summary>Refused at once, nothing done.</summary>
    Failed = 1,

    /// <summary>Never arrives; whoever waits gives up.</summary>
    Lost = 2,

    /// <summary>Carried out, but the answer never arrives.</summary>
    AnswerLost = 3,

    /// <summary>Carried out after whoever waited has given up.</summary>
    Late = 4,

    /// <summary>Carried out twice, some time apart; the first answer counts.</summary>
    Duplicated = 5,

    /// <summary>Arrives after a long while.</summary>
    Delayed = 6,
}

/// <summary>
/// Which operations suffer what. Each opportunity has a name (its kind and how many of that kind came before); whether it strikes is a
/// function of seed and name alone, so that leaving some faults out changes the others as little as may be.
/// </summary>
/// <param name="probability">Of a fault for each opportunity.</param>
/// <param name="only">The faults that may strike; null for all. For shrinking.</param>
internal sealed class FaultPlan(ulong seed, double probability, IReadOnlySet<string>? only)
{
    private const int Kinds = 6;

    private readonly Dictionary<string, int> _opportunities = new(StringComparer.Ordinal);
    private readonly List<string> _struck = [];

    /// <summary>Faults that struck, by name, in order.</summary>
    public IReadOnlyList<string> Struck => _struck;

    /// <summary>Set when faults are over, so that every run can come to its end.</summary>
    public bool IsOver { get; set; }

    public Fault Next(string kind) => Strike(kind, probability) is { } dice ? (Fault)(1 + dice.Next(Kinds)) : Fault.None;

    /// <summary>Draws for something rarer or more frequent than an ordinary fault.</summary>
    /// <returns>Null where it does not strike; otherwise what its details are drawn from.</returns>
    public Dice? Strike(string kind, double chance)
    {
        var number = _opportunities[kind] = _opportunities.GetValueOrDefault(kind) + 1;
        if (IsOver || probability == 0)
            return null;
        var name = $"{kind}#{number}";
        var dice = new Dice(seed, name);
        if (dice.NextDouble() >= chance || only?.Contains(name) == false)
            return null;
        _struck.Add(name);
        return dice;
    }
}

/// <summary>Random numbers that depend on a seed and a name only.</summary>
internal sealed class Dice(ulong seed, string name)
{
    private ulong _state = Hash(seed, name);

    public double NextDouble() => (Next() >> 11) * (1.0 / (1UL << 53));

    /// <summary>0 to <paramref name="below"/> − 1.</summary>
    public int Next(int below) => (int)(Next() % (uint)below);

    public TimeSpan Between(double fromSeconds, double toSeconds) => TimeSpan.FromSeconds(fromSeconds + NextDouble() * (toSeconds - fromSeconds));

    public T OneOf<T>(params ReadOnlySpan<T> choices) => choices[Next(choices.Length)];

    /// <summary>SplitMix64 (Steele, Lea, Flood 2014).</summary>
    private ulong Next()
    {
        _state += 0x9E3779B97F4A7C15;
        var z = _state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    private static ulong Hash(ulong seed, string name)
    {
        var hash = 14_695_981_039_346_656_037UL ^ seed;
        foreach (var c in name)
            hash = (hash ^ c) * 1_099_511_628_211;
        return hash;
    }
}
