using System.Diagnostics;

namespace Orchestrator.Jobs.Telemetry;

/// <summary>Trace contexts as they travel in messages: the value of a <c>traceparent</c> header (W3C Trace Context).</summary>
public static class TraceParent
{
    /// <returns>No context where there is none or it is not well formed: a trace is never a reason to refuse a message.</returns>
    public static ActivityContext Read(string? value) =>
        ActivityContext.TryParse(value, null, isRemote: true, out var context) ? context : default;

    /// <summary>Links to those contexts that are well formed.</summary>
    public static IEnumerable<ActivityLink> Links(IEnumerable<string?> values) =>
        values.Select(Read).Where(context => context != default).Select(context => new ActivityLink(context));
}
