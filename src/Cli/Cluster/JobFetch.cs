using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>Gets a job's results from a server and writes the files that <c>orc run</c> writes.</summary>
internal sealed class JobFetch(ServerClient client, string id, string folder, VerbContext context)
{
    /// <returns>The exit code of the job's status.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        var outcome = await client.OutcomeAsync(id, cancellationToken);
        var server = await client.ServerAsync(cancellationToken);
        var report = Report(outcome);
        var delivery = new ResultDelivery(folder, context);
        var isWritten = await context.Progress().ShowAsync(sink => delivery.WriteAsync(
            report, Provenance(outcome, server), Copy(Routes.Model(id), outcome.Result.Model, ResultFiles.ModelName, sink), Copy($"{Routes.Model(id)}?data=true", outcome.Result.ModelData, ResultFiles.DataName, sink),
            "Make room or choose another folder with --out, then fetch again."));
        return isWritten ? delivery.Tell(report) : ExitCodes.Failed;

        Func<Stream, Task>? Copy(string path, BlobRef? blob, string name, IProgressSink sink) => blob is null
            ? null
            : stream => client.CopyAsync(path, blob, stream, bytes => sink.Update(ByteProgress.Of("downloading", bytes, blob.Length, name)), cancellationToken);
    }

    private static JobReport Report(JobOutcome outcome) => JobReportBuilder.Build(
        outcome.Plan, outcome.Outline, outcome.Result.Summary,
        new ReportFacts(outcome.Result.Status, outcome.Result.Reason, outcome.Result.Model?.Sha256, outcome.Seconds, null) { Incidents = outcome.Incidents });

    private static Provenance Provenance(JobOutcome outcome, ServerView server)
    {
        var settings = outcome.Plan.Settings;
        var sources = outcome.Sources;
        return new Provenance
        {
            Product = new ProductStamp("Orchestrator", server.Version, NumericProfile.Parse(settings.Profile)?.Runtime ?? ""),
            Job = outcome.Plan.ComputeJobId(),
            Recipe = Stamps.ToFile(sources.Recipe),
            Model = Stamps.ToFile(sources.Model),
            Calibration = Stamps.ToFile(sources.Calibration),
            Evaluation = sources.Evaluation is { } evaluation ? Stamps.ToFile(evaluation) : null,
            PlanSha256 = outcome.Plan.ComputeDigest(),
            Profile = settings.Profile,
            Seed = settings.Seed,
            ManifestSha256 = outcome.Result.Fold.Length == 0 ? null : outcome.Result.Fold,
            ResultSha256 = outcome.Result.Model?.Sha256,
            Started = outcome.Submitted,
            Ended = outcome.Ended,
        };
    }
}
