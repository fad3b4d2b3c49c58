using System.CommandLine;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc resume JOB</c></summary>
internal static class ResumeVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.CreateAct(
        "resume", "Let a paused job go on.",
        surroundings, json, isRepeatable: true, "It goes on.");
}
