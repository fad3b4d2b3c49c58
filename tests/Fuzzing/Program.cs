using System.CommandLine;
using Orchestrator.Fuzzing;
using Orchestrator.Fuzzing.Onnx;

var target = new Option<string>("--target") { Description = "onnx, npy, npz, recipe or all", DefaultValueFactory = _ => "all" };
var executions = new Option<int>("--executions") { Description = "Executions over all targets", DefaultValueFactory = _ => 20_000 };
var seed = new Option<int>("--seed") { Description = "The same seed gives the same inputs", DefaultValueFactory = _ => 1 };
var crashes = new Option<string>("--crashes") { Description = "Where inputs that did harm are put", DefaultValueFactory = _ => Path.Combine("artifacts", "fuzzing") };
var replay = new Option<string?>("--replay") { Description = "Runs this one input through the target" };
var seeds = new Option<string?>("--write-seeds") { Description = "Writes the generated part of the corpus into this folder" };
var batch = new Option<string?>("--batch") { Hidden = true };
var current = new Option<string?>("--current") { Hidden = true };

var root = new RootCommand("Feeds mutated files to the readers of models, data and recipes.") { target, executions, seed, crashes, replay, seeds, batch, current };
root.SetAction(parsed =>
{
    if (parsed.GetValue(seeds) is { } folder)
        return Seeds.Write(folder);
    if (parsed.GetValue(batch) is { } name)
        return new Worker(Targets.Named(name)[0], parsed.GetValue(crashes)!, parsed.GetValue(current)!).Run(parsed.GetValue(seed), parsed.GetValue(executions)) == 0 ? 0 : 1;

    var targets = Targets.Named(parsed.GetValue(target)!);
    if (targets.Count == 0)
    {
        Console.Error.WriteLine($"There is no target '{parsed.GetValue(target)}'.");
        return 2;
    }
    if (parsed.GetValue(replay) is { } file)
    {
        var (outcome, finding) = new Worker(targets[0], "", "").Replay(File.ReadAllBytes(file));
        Console.WriteLine(finding is null ? outcome : $"{finding.Kind}\n{finding.Detail}");
        return finding is null ? 0 : 1;
    }
    var supervisor = new Supervisor(Path.GetFullPath(parsed.GetValue(crashes)!), Console.Out);
    var shares = Targets.Shares(targets, parsed.GetValue(executions));
    return targets.Select((t, i) => supervisor.Run(t, shares[i], parsed.GetValue(seed))).ToList().TrueForAll(clean => clean) ? 0 : 1;
});
return root.Parse(args).Invoke();
