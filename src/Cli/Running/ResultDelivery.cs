using Orchestrator.Cli.Output;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Running;

/// <summary>Writes a job's results into a folder and tells of them.</summary>
internal sealed class ResultDelivery(string folder, VerbContext context)
{
    private readonly ResultFiles _files = new(folder);

    /// <param name="remedy">What to do where they cannot be written.</param>
    /// <returns>False where they could not be written, which has been told; what was there before is there still.</returns>
    public async Task<bool> WriteAsync(JobReport report, Provenance provenance, Func<Stream, Task>? copyModel, Func<Stream, Task>? copyData, string remedy)
    {
        try
        {
            await _files.WriteAsync(report, provenance, copyModel, copyData);
            return true;
        }
        catch (Exception cause) when (RunFault.IsStorage(cause))
        {
            var what = report.Status == ReportStatus.Failed ? $"{report.Reason} Nor could the report be written: {cause.Message}" : $"The results could not be written: {cause.Message}";
            context.WriteError(new ErrorBody("output-not-written", what, folder, remedy));
            return false;
        }
    }

    /// <summary>Prints what was written.</summary>
    /// <returns>The exit code of the job's status.</returns>
    public int Tell(JobReport report)
    {
        context.WriteResult(report);
        RunSummary.Print(context.People, report, _files);
        return ExitCodes.Of(report.Status);
    }
}
