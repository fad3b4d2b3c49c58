using System.Text;
using Orchestrator.Cli.Output;
using Orchestrator.Cli.Reports;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Running;

/// <summary>Puts a job's results into its output folder: each file whole or not at all, <c>report.json</c> last, so that its presence means that all is there.</summary>
internal sealed class ResultFiles(string folder)
{
    public const string ModelName = "model.onnx";
    public const string DataName = ExternalWeights.FileName;
    public const string ReportName = "report.json";
    public const string PageName = "report.html";
    public const string ProvenanceName = "provenance.json";

    public string Report => Path.Combine(folder, ReportName);

    public string Page => Path.Combine(folder, PageName);

    public string Model => Path.Combine(folder, ModelName);

    /// <param name="copyModel">Writes the model; null where there is none. An older model is then removed, so that nobody takes it for this job's.</param>
    /// <param name="copyData">Writes the model's large weights; null where the model holds them.</param>
    public async Task WriteAsync(JobReport report, Provenance provenance, Func<Stream, Task>? copyModel, Func<Stream, Task>? copyData = null)
    {
        Directory.CreateDirectory(folder);
        // From here on the old results are no longer whole.
        File.Delete(Report);
        if (copyModel is null || copyData is not null)
            File.Delete(Model);
        if (copyData is null)
            File.Delete(Path.Combine(folder, DataName));
        else
            await WriteFileAsync(DataName, copyData);
        if (copyModel is not null)
            await WriteFileAsync(ModelName, copyModel);
        await WriteTextAsync(PageName, HtmlReport.Render(report, provenance));
        await WriteTextAsync(ProvenanceName, JsonOutput.ToText(provenance) + "\n");
        await WriteTextAsync(ReportName, JsonOutput.ToText(report) + "\n");
    }

    private Task WriteTextAsync(string name, string text) =>
        WriteFileAsync(name, stream => stream.WriteAsync(Encoding.UTF8.GetBytes(text)).AsTask());

    private async Task WriteFileAsync(string name, Func<Stream, Task> write)
    {
        var temporary = Path.Combine(folder, $".{name}.{Guid.NewGuid():N}");
        try
        {
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
            {
                await write(file);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, Path.Combine(folder, name), overwrite: true);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
