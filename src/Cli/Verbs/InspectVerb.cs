using System.CommandLine;
using Orchestrator.Cli.Inspecting;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Running;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc inspect MODEL</c>: what is in a model and what can be compressed.</summary>
internal static class InspectVerb
{
    private const int NameLength = 44;

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var model = new Argument<string>("MODEL") { Description = "The ONNX model" };
        var keep = new Option<bool>("--keep-batch-norm") { Description = "Show the layers as with batch_norm: keep" };
        var verb = new VerbCommand("inspect", "Show a model's blocks and layers, what is supported and what is left alone and why.",
            "orc inspect model.onnx", "orc inspect model.onnx --json")
        {
            model, keep,
        };
        verb.Handle(surroundings, json, (parsed, context, _) =>
        {
            var path = surroundings.Resolve(parsed.GetRequiredValue(model));
            var result = Inspect(path, parsed.GetValue(keep) ? BatchNormMode.Keep : BatchNormMode.Fold, surroundings);
            context.WriteResult(result);
            Print(context.People, result);
            return Task.FromResult(ExitCodes.Success);
        });
        return verb;
    }

    private static InspectResult Inspect(string path, BatchNormMode batchNorm, Surroundings surroundings)
    {
        if (!File.Exists(path))
            throw new InputException("model-not-found", path, Directory.Exists(path) ? "this is a folder" : "there is no such file", "Give the path of an ONNX model.");
        var (stamp, loaded) = SourceModel.Inspect(Path.GetFileName(path), path);
        var outline = ModelOutlines.OfLast(loaded, stamp.Sha256, stamp.Bytes, batchNorm);
        return InspectResult.Of(stamp.File, outline, InspectEstimate.Of(outline, batchNorm, surroundings));
    }

    private static string About(InspectEstimate estimate) => estimate.Seconds == 0
        ? estimate.Basis
        : $"about {Figures.Duration(estimate.Seconds)}, {Figures.Bytes(estimate.MemoryBytes)} memory and {Figures.Bytes(estimate.DiskBytes)} disk ({estimate.Basis})";

    private static void Print(IAnsiConsole console, InspectResult result)
    {
        console.MarkupLineInterpolated($"[bold]{result.Model}[/]: opset {result.Opset}, {Figures.Bytes(result.SizeBytes)}, {Figures.Count(result.Parameters)} parameters, {Figures.Count(result.Macs)} MACs a sample");
        var table = new Table().Border(TableBorder.Simple).AddColumn("block").AddColumn("layer").AddColumn("op");
        foreach (var head in (string[])["rows", "columns", "groups", "MACs"])
            table.AddColumn(new TableColumn(head).RightAligned());
        foreach (var layer in result.Layers)
        {
            table.AddRow(
                new Text(Figures.Shorten(layer.Block, NameLength)), new Text(Figures.Shorten(layer.Name, NameLength)), new Text(layer.OpType),
                new Text($"{layer.Rows}"), new Text($"{layer.Columns}"), new Text($"{layer.Groups}"), new Text(Figures.Count(layer.Macs)));
        }

        console.Write(table);
        foreach (var left in result.Unsupported)
            console.MarkupLineInterpolated($"[yellow]left alone[/] {left.Name} ({left.OpType}): {left.Reason}");
        console.MarkupLineInterpolated($"{result.Layers.Count} layers in {result.Blocks.Count} blocks; {About(result.Estimate)}");
    }
}
