using System.Globalization;

namespace Orchestrator.Cli.Working;

/// <summary>Memory that is free now.</summary>
internal static class FreeMemory
{
    private const string Meminfo = "/proc/meminfo";
    private const string Available = "MemAvailable:";
    private const int KiB = 1024;

    /// <param name="limit">Of this process.</param>
    /// <returns>Bytes that the process may still take: what its limit leaves, and no more than the machine has.</returns>
    public static long Of(long limit)
    {
        var left = Math.Max(0, limit - Environment.WorkingSet);
        try
        {
            return File.Exists(Meminfo) && Parse(File.ReadLines(Meminfo)) is { } available ? Math.Min(left, available) : left;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return left;
        }
    }

    /// <summary>Bytes available, from the lines of <c>/proc/meminfo</c>; null where they do not say.</summary>
    internal static long? Parse(IEnumerable<string> lines)
    {
        var line = lines.FirstOrDefault(line => line.StartsWith(Available, StringComparison.Ordinal));
        return line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var number, "kB"] && long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var kilobytes)
            ? kilobytes * KiB
            : null;
    }
}
