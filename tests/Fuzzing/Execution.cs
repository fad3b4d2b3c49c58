namespace Orchestrator.Fuzzing;

/// <summary>Something that must not happen.</summary>
/// <param name="Kind">Equal for inputs that fail in the same place: one of each kind is kept.</param>
internal sealed record Finding(string Kind, string Detail);

/// <summary>One input through one target, held to the bounds that hostile files are held to.</summary>
internal static class Execution
{
    /// <summary>
    /// Bytes that one execution may allocate in all, which bounds what it holds at any time. The product promises 256 MiB and twice the
    /// metadata; inputs here are small, so a quarter of that finds amplification before it hurts.
    /// </summary>
    public const long MaxAllocated = 64L << 20;

    public static (string Outcome, Finding? Finding) Run(IFuzzTarget target, byte[] input)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            var outcome = target.Run(input);
            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            return allocated <= MaxAllocated
                ? (outcome, null)
                : (outcome, new Finding($"memory: {outcome}", $"{allocated} bytes allocated for {input.Length} bytes of input"));
        }
#pragma warning disable CA1031 // Whatever the product throws beside its documented refusals is what we look for.
        catch (Exception thrown)
#pragma warning restore CA1031
        {
            return ("finding", new Finding($"{thrown.GetType().Name} at {Frames(thrown)}", thrown.ToString()));
        }
    }

    private static string Frames(Exception thrown)
    {
        var frames = (thrown.StackTrace ?? "").Split('\n').Select(l => l.Trim()).Where(l => l.StartsWith("at Orchestrator.", StringComparison.Ordinal));
        return string.Join(" < ", frames.Take(2).Select(f => f["at Orchestrator.".Length..].Split('(')[0]));
    }
}
