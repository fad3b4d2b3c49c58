using System.CommandLine;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc retry JOB</c></summary>
internal static class RetryVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.CreateAct(
        "retry", "Run the failed units of a job that has ended again; what is committed is not computed again.",
        surroundings, json, isRepeatable: false, "It runs again.");
}
