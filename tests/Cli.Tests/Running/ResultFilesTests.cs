using System.Text.Json;
using Orchestrator.Cli.Running;
using Orchestrator.Cli.Tests.Reports;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Tests.Running;

public sealed class ResultFilesTests : IDisposable
{
    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task All_four_files_are_written_and_nothing_else()
    {
        await new ResultFiles(_folder["out"]).WriteAsync(SampleReports.Large(), SampleReports.Provenance, stream => stream.WriteAsync(new byte[] { 1, 2, 3 }).AsTask());

        Assert.Equal(["out", "out/model.onnx", "out/provenance.json", "out/report.html", "out/report.json"], _folder.Entries);
        Assert.Equal([1, 2, 3], File.ReadAllBytes(_folder["out/model.onnx"]));
    }

    [Fact]
    public async Task The_report_has_the_field_names_of_the_design()
    {
        await new ResultFiles(_folder.Path).WriteAsync(SampleReports.Large(), SampleReports.Provenance, null);
        using var report = JsonDocument.Parse(File.ReadAllText(_folder["report.json"]));
        var root = report.RootElement;

        string[] names = ["schema", "status", "reason", "baseline", "compressed", "size", "latency", "units", "seconds", "peakMemoryBytes", "rescues", "reverted", "layers"];
        Assert.Empty(names.Except(root.EnumerateObject().Select(member => member.Name)));
        string[] layer = ["name", "opType", "method", "rows", "columns", "bits", "activationBits", "sparsity", "loss", "relativeLoss", "seconds", "status", "reason"];
        Assert.Empty(layer.Except(root.GetProperty("layers")[0].EnumerateObject().Select(member => member.Name)));
        Assert.Equal("succeeded", root.GetProperty("status").GetString());
        Assert.Equal(92.61, root.GetProperty("compressed").GetProperty("metric").GetDouble());
        Assert.Equal("top1", root.GetProperty("compressed").GetProperty("name").GetString());
        Assert.Equal(JsonValueKind.Null, root.GetProperty("reason").ValueKind);
        Assert.Equal(34, root.GetProperty("units").GetProperty("reused").GetInt32());
    }

    [Fact]
    public async Task Provenance_names_no_machine_and_no_absolute_path()
    {
        await new ResultFiles(_folder.Path).WriteAsync(SampleReports.Large(), SampleReports.Provenance, null);
        var text = File.ReadAllText(_folder["provenance.json"]);

        Assert.DoesNotContain(Environment.MachineName, text, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder.Path, text, StringComparison.Ordinal);
        Assert.Contains("\"manifestSha256\"", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_model_an_older_one_does_not_stay()
    {
        var files = new ResultFiles(_folder.Path);
        await files.WriteAsync(SampleReports.Large(), SampleReports.Provenance, stream => stream.WriteAsync(new byte[] { 1 }).AsTask());
        await files.WriteAsync(SampleReports.Empty(), SampleReports.Provenance, null);

        Assert.False(File.Exists(files.Model));
        Assert.True(File.Exists(files.Report));
    }

    [Fact]
    public async Task A_failing_copy_leaves_no_report_and_no_half_model()
    {
        var files = new ResultFiles(_folder.Path);
        await Assert.ThrowsAsync<IOException>(() => files.WriteAsync(SampleReports.Large(), SampleReports.Provenance, async stream =>
        {
            await stream.WriteAsync(new byte[] { 1 });
            throw new IOException("the disk is full");
        }));

        Assert.Empty(_folder.Entries);
    }

    [Fact]
    public void Writability_is_checked_without_a_trace()
    {
        Writability.Check(_folder["a/b/c"], "output-not-writable", "");
        Writability.Check(_folder.Path, "output-not-writable", "");

        Assert.Empty(_folder.Entries);
    }

    [Theory]
    [InlineData("taken")]
    [InlineData("taken/below")]
    public void A_file_in_the_way_is_told(string path)
    {
        _folder.Write("taken", "x");
        var thrown = Assert.Throws<InputException>(() => Writability.Check(_folder[path], "output-not-writable", "Choose another."));

        Assert.Equal("output-not-writable", thrown.Code);
        Assert.Contains("is a file", thrown.Message, StringComparison.Ordinal);
    }
}
