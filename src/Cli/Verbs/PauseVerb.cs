using System.CommandLine;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc pause JOB</c></summary>
internal static class PauseVerb
{
    public static Command Create(Surroundings surroundings, Option<bool> json) => JobVerb.CreateAct(
        "pause", "Pause a job: its units in work are given up, nothing more is committed, and nothing committed is lost.",
        surroundings, json, isRepeatable: true, "Paused: nothing more is committed until it goes on.");
}
