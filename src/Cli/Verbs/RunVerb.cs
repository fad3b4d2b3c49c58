using System.CommandLine;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Stores;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc run RECIPE</c>: the whole job in this process.</summary>
internal sealed class RunVerb
{
    private const int MostSlots = 1024;

    public static IReadOnlyCollection<string> Devices { get; } = ["auto", "cpu", "cuda", "webgpu"];

    private readonly Argument<string?> _recipe = new("RECIPE") { Description = "The recipe (YAML)", Arity = ArgumentArity.ZeroOrOne };
    private readonly StoreOptions _store = StoreOptions.Optional(".orchestrator/store beside the recipe");
    private readonly Option<string?> _out = new("--out") { Description = "Folder of the results; default the recipe's output.folder", HelpName = "DIR" };
    private readonly Option<int> _slots;
    private readonly Option<string> _device = new("--device") { Description = string.Join(", ", Devices), HelpName = "DEVICE", DefaultValueFactory = _ => "auto" };
    private readonly Option<string?> _profile = new("--profile") { Description = "Numeric profile to force, for example that of an earlier job's report", HelpName = "P" };
    private readonly Option<bool> _fresh = new("--fresh") { Description = "Ignore earlier commits of this plan; deletes nothing" };
    private readonly Option<bool> _dryRun = new("--dry-run") { Description = "Print the plan and write nothing" };
    private readonly Option<bool> _schema = new("--schema") { Description = "Print the JSON Schema of recipes and stop" };

    private RunVerb(int cores) =>
        _slots = new Option<int>("--slots") { Description = "Units that run at once; default the cores", HelpName = "N", DefaultValueFactory = _ => cores };

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new RunVerb(surroundings.Cores);
        var verb = new VerbCommand("run", "Compress a model as a recipe says. Run the same command again to resume.",
            "orc run recipe.yaml",
            "orc run recipe.yaml --dry-run",
            "orc run recipe.yaml --slots 4 --out compressed --json")
        {
            options._recipe, options._store.Store, options._store.KeyFile, options._out, options._slots, options._device, options._profile, options._fresh, options._dryRun, options._schema,
        };
        verb.Validators.Add(result =>
        {
            if (!result.GetValue(options._schema) && result.GetValue(options._recipe) is null)
                result.AddError("Required argument 'RECIPE' is missing.");
        });
        verb.Handle(surroundings, json, options.RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        if (parsed.GetValue(_schema))
        {
            await context.Surroundings.Terminal.Output.WriteLineAsync(RecipeReader.Schema.TrimEnd());
            return ExitCodes.Success;
        }

        var options = ReadOptions(parsed, context.Surroundings);
        OptionChecks.Within("--slots", options.Slots, 1, MostSlots);
        OptionChecks.OneOf("--device", options.Device, Devices);
        return await EmbeddedRun.RunAsync(options, context, cancellation);
    }

    private RunOptions ReadOptions(ParseResult parsed, Surroundings surroundings) => new()
    {
        Recipe = surroundings.Resolve(parsed.GetValue(_recipe)!),
        Store = _store.Find(parsed, surroundings),
        Out = parsed.GetValue(_out) is { } folder ? surroundings.Resolve(folder) : null,
        Slots = parsed.GetValue(_slots),
        Device = parsed.GetValue(_device)!,
        Profile = parsed.GetValue(_profile),
        Fresh = parsed.GetValue(_fresh),
        DryRun = parsed.GetValue(_dryRun),
    };
}
