using System.CommandLine;
using System.Diagnostics;
using Orchestrator.Cli.Cluster;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Telemetry;
using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc submit RECIPE</c>: plans a job here and has it run by a server's workers.</summary>
internal sealed class SubmitVerb
{
    private readonly Argument<string> _recipe = new("RECIPE") { Description = "The recipe (YAML)" };
    private readonly Option<bool> _fresh = new("--fresh") { Description = "Ignore earlier commits of this plan; deletes nothing" };
    private readonly Option<bool> _watch = new("--watch") { Description = "Show the job's progress until it ends; Ctrl-C stops the watching, not the job" };
    private readonly Option<string?> _profile = new("--profile") { Description = "Numeric profile, or kernel width; default the one that most workers have", HelpName = "P" };
    private readonly Option<string> _device = new("--device") { Description = string.Join(", ", RunVerb.Devices), HelpName = "DEVICE", DefaultValueFactory = _ => "auto" };
    private readonly Option<string?> _name = new("--name") { Description = "What the job is called; default the recipe's file name", HelpName = "N" };
    private readonly ServerOptions _server = new();

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new SubmitVerb();
        var verb = new VerbCommand("submit", "Have a recipe carried out by a server's workers: plans here, sends what the server does not have, prints the job. A job that is known already goes on.",
            "orc submit recipe.yaml --server http://localhost:7070",
            "orc submit recipe.yaml --watch --key-file tenant.key",
            "orc submit recipe.yaml --name nightly --profile avx2 --json")
        {
            options._recipe, options._fresh, options._watch, options._profile, options._device, options._name,
        };
        options._server.AddTo(verb);
        verb.Handle(surroundings, json, options.RunAsync);
        return verb;
    }

    private async Task<int> RunAsync(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        var device = parsed.GetValue(_device)!;
        OptionChecks.OneOf("--device", device, RunVerb.Devices);
        using var client = _server.Open(parsed, context);
        var inputs = RecipeInputs.Find(context.Surroundings.Resolve(parsed.GetRequiredValue(_recipe)));
        var profile = await ChooseProfileAsync(client, device, parsed.GetValue(_profile), context, cancellation);
        var (job, _) = PreparedJob.Of(inputs, profile);
        var upload = await context.Progress().ShowAsync(sink => new InputUpload(client, sink).RunAsync(job, cancellation));
        var view = await SubmitAsync(client, Submission(job, parsed.GetValue(_name), parsed.GetValue(_fresh)), context, cancellation);
        if (!parsed.GetValue(_watch))
        {
            Tell(context, new SubmitResult(view, upload));
            context.People.WriteLine($"next     orc {(view.State == JobState.Ended ? $"fetch {view.Id} --out DIR" : $"watch {view.Id}")}");
            return ExitCodes.Success;
        }

        JobLines.Print(context.People, view);
        if (await JobWatching.RunAsync(client, view.Id, context, cancellation) is not { } end)
            return ExitCodes.Interrupted;
        Tell(context, new SubmitResult(end, upload));
        return JobWatching.ExitCodeOf(end.Status);
    }

    /// <summary>Here begins the job's trace: the request carries its context to the server.</summary>
    private static async Task<JobView> SubmitAsync(ServerClient client, JobSubmission submission, VerbContext context, CancellationToken cancellation)
    {
        using var telemetry = TelemetrySession.Open(TelemetrySession.Client, Environment.MachineName, context.Surroundings, lines: null);
        using var span = telemetry.Spans.StartActivity("submit", ActivityKind.Client);
        return await client.SubmitAsync(submission, cancellation);
    }

    private static async Task<string> ChooseProfileAsync(ServerClient client, string device, string? forced, VerbContext context, CancellationToken cancellation)
    {
        var workers = await client.WorkersAsync(cancellation);
        var profile = WorkerProfiles.Choose(workers, device, forced) ?? NumericProfiles.Choose(device, forced);
        if (!WorkerProfiles.IsServed(workers, profile))
            context.TellWarning($"no worker has the numeric profile {profile} yet: the job waits for one");
        return profile;
    }

    private static JobSubmission Submission(PreparedJob job, string? name, bool fresh) => new(
        name ?? job.Recipe.Stamp.File, job.Plan, job.Outline,
        new JobSources(Stamps.ToSource(job.Recipe.Stamp), Stamps.ToSource(job.Model.Stamp), Stamps.ToSource(job.Calibration.Stamp), job.Evaluation is { } data ? Stamps.ToSource(data.Stamp) : null),
        fresh) { Request = Guid.NewGuid().ToString("N") };

    private static void Tell(VerbContext context, SubmitResult result)
    {
        context.WriteResult(result);
        JobLines.Print(context.People, result.Job);
    }
}

/// <param name="Job">As it stands; with <c>--watch</c> its end.</param>
internal sealed record SubmitResult(JobView Job, UploadView Upload);
