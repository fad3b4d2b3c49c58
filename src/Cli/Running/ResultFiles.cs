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
    /// <remarks>All of it is written beside first: where there is no room, what was there before stays as it was.</remarks>
    public async Task WriteAsync(JobReport report, Provenance provenance, Func<Stream, Task>? copyModel, Func<Stream, Task>? copyData = null)
    {
        Directory.CreateDirectory(folder);
        var files = new List<(string Temporary, string Name)>();
        try
        {
            if (copyData is not null)
                await WriteBesideAsync(files, DataName, copyData);
            if (copyModel is not null)
                await WriteBesideAsync(files, ModelName, copyModel);
            await WriteBesideAsync(files, PageName, HtmlReport.Render(report, provenance));
            await WriteBesideAsync(files, ProvenanceName, JsonOutput.ToText(provenance) + "\n");
            await WriteBesideAsync(files, ReportName, JsonOutput.ToText(report) + "\n");
            // From here on the old results are no longer whole.
            File.Delete(Report);
            if (copyModel is null || copyData is not null)
                File.Delete(Model);
            if (copyData is null)
                File.Delete(Path.Combine(folder, DataName));
            foreach (var (temporary, name) in files)
                File.Move(temporary, Path.Combine(folder, name), overwrite: true);
        }
        finally
        {
            foreach (var (temporary, _) in files)
                File.Delete(temporary);
        }
    }

    private Task WriteBesideAsync(List<(string Temporary, string Name)> files, string name, string text) =>
        WriteBesideAsync(files, name, stream => stream.WriteAsync(Encoding.UTF8.GetBytes(text)).AsTask());

    private async Task WriteBesideAsync(List<(string Temporary, string Name)> files, string name, Func<Stream, Task> write)
    {
        var temporary = Path.Combine(folder, $".{name}.{Guid.NewGuid():N}");
        files.Add((temporary, name));
        await using var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write);
        await write(file);
        file.Flush(flushToDisk: true);
    }
}
