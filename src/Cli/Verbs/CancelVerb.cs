using System.CommandLine;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc cancel JOB</c></summary>
internal static class CancelVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.CreateAct(
        "cancel", "End a job for good: once this is answered nothing more is committed. What is committed is kept.",
        surroundings, json, isRepeatable: true, "Cancelled: nothing more is committed.");
}
