using System.CommandLine;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.Seeds;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc simulate</c></summary>
internal static class SimulateVerb
{
    private const int DefaultSeeds = 100;
    private const int MostSeeds = 10_000_000;
    private const double DefaultFaults = 0.05;
    private const double MostFaults = 0.3;

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var seeds = new Option<int?>("--seeds") { Description = $"Seeds to run, one after the other from --seed on; {DefaultSeeds} by default, 1 where --seed is given", HelpName = "N" };
        var seed = new Option<long?>("--seed") { Description = "First seed; the same seed is the same run", HelpName = "S" };
        var faults = new Option<double>("--faults") { Description = "Chance of a fault for each operation", HelpName = "P", DefaultValueFactory = _ => DefaultFaults };
        var verb = new VerbCommand(
            "simulate",
            "Run the coordinator, its workers and their store in a simulated world where everything may fail, and check that nothing is lost or done twice.",
            "orc simulate --seeds 300", "orc simulate --seed 4711 --faults 0.05 --json")
        {
            seeds, seed, faults,
        };
        verb.Handle(surroundings, json, async (parsed, context, cancellation) =>
        {
            var first = parsed.GetValue(seed);
            var count = parsed.GetValue(seeds) ?? (first is null ? DefaultSeeds : 1);
            OptionChecks.Within("--seeds", count, 1, MostSeeds);
            OptionChecks.Within("--seed", first ?? 1, 0, long.MaxValue - MostSeeds);
            OptionChecks.Within("--faults", parsed.GetValue(faults), 0, MostFaults);
            var result = await context.Progress().ShowAsync(
                sink => Task.Run(() => SeedRange.Run((ulong)(first ?? 1), count, parsed.GetValue(faults), SimulationHooks.None, sink, cancellation)));
            context.WriteResult(result);
            Print(context.People, result);
            return result.Failed.Count == 0 ? ExitCodes.Success : ExitCodes.Failed;
        });
        return verb;
    }

    private static void Print(IAnsiConsole console, SimulateResult result)
    {
        foreach (var failure in result.Failures)
        {
            console.MarkupLineInterpolated($"[red]seed {failure.Seed}[/]: {failure.Invariant}");
            console.MarkupLineInterpolated($"  {failure.Detail}");
            console.MarkupLineInterpolated($"  made small: {failure.Jobs} job(s), {failure.Workers} worker(s) of {failure.Slots} slot(s), {failure.Faults.Count} fault(s), broken after {failure.AtSeconds:0.000} s of its time");
            foreach (var line in failure.Faults.Select(f => $"fault {f}").Concat(failure.Events))
                console.MarkupLineInterpolated($"    [grey]{line}[/]");
            console.MarkupLineInterpolated($"  again: orc simulate --seed {failure.Seed}");
        }

        var word = result.Failed.Count == 0 ? "all promises kept" : $"{result.Failed.Count} failed";
        console.MarkupLineInterpolated($"{result.Seeds} seed(s): {word}; {result.Commits} commits, {result.Doubled} doubled, {result.Lost} lost, {result.Stuck} stuck; {Figures.Significant(result.Steps / 1e6)} million steps");
    }
}
