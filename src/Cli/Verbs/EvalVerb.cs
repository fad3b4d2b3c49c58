using System.CommandLine;
using System.Globalization;
using Orchestrator.Cli.Evaluating;
using Orchestrator.Cli.Reports;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.OnnxRuntime;
using Spectre.Console;

namespace Orchestrator.Cli.Verbs;

/// <summary><c>orc eval MODEL</c>: metric, latency and size.</summary>
internal sealed class EvalVerb
{
    private readonly Argument<string> _model = new("MODEL") { Description = "The ONNX model" };
    private readonly Option<string> _data = new("--data") { Description = "NumPy data; top1, top5 and nll need an int64 array 'labels'", HelpName = "FILE.npz", Required = true };
    private readonly Option<string?> _metric = new("--metric") { Description = "top1, top5, nll, cosine or mse; default top1 where there are labels, else cosine", HelpName = "METRIC" };
    private readonly Option<string?> _against = new("--against") { Description = "Another model: what cosine and mse compare with, measured beside for the other metrics", HelpName = "MODEL" };
    private readonly Option<double> _scale = new("--scale") { Description = "Inputs become (x·scale − mean) / std", HelpName = "X", DefaultValueFactory = _ => 1 };
    private readonly Option<string?> _mean = new("--mean") { Description = "One value per channel, separated by commas", HelpName = "M,…" };
    private readonly Option<string?> _std = new("--std") { Description = "One value per channel, separated by commas", HelpName = "S,…" };

    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var options = new EvalVerb();
        var verb = new VerbCommand("eval", "Measure a model's metric on a data file, its latency and its size.",
            "orc eval model.onnx --data test.npz --metric top1",
            "orc eval out/model.onnx --data test.npz --metric cosine --against model.onnx --json",
            "orc eval model.onnx --data test.npz --scale 0.00392156862745098 --mean 0.2860 --std 0.3530")
        {
            options._model, options._data, options._metric, options._against, options._scale, options._mean, options._std,
        };
        verb.Handle(surroundings, json, (parsed, context, cancellation) => Task.FromResult(options.Run(parsed, context, cancellation)));
        return verb;
    }

    private int Run(ParseResult parsed, VerbContext context, CancellationToken cancellation)
    {
        var surroundings = context.Surroundings;
        var preprocess = ReadPreprocess(parsed);
        var against = parsed.GetValue(_against) is { } other ? surroundings.Resolve(other) : null;
        using var data = DataFile.Open(surroundings.Resolve(parsed.GetRequiredValue(_data)));
        var metric = Metric.Of(parsed.GetValue(_metric) ?? ModelEvaluation.DefaultMetric(data));
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var evaluation = new ModelEvaluation(new ModelRuntime(environment), surroundings.Clock);
        var result = evaluation.Run(surroundings.Resolve(parsed.GetRequiredValue(_model)), against, data, metric, preprocess, cancellation);
        context.WriteResult(result);
        Print(context.People, result);
        return ExitCodes.Success;
    }

    private Preprocess ReadPreprocess(ParseResult parsed)
    {
        var scale = parsed.GetValue(_scale);
        if (!double.IsFinite(scale) || scale == 0)
            throw new InputException(OptionChecks.Code, "--scale", $"{scale} is out of range", "Give a finite number other than 0.");
        var preprocess = new Preprocess { Scale = scale, Mean = ReadNumbers("--mean", parsed.GetValue(_mean)), Std = ReadNumbers("--std", parsed.GetValue(_std)) };
        if (preprocess.Std.Contains(0))
            throw new InputException(OptionChecks.Code, "--std", "0 would divide by zero", "Give numbers other than 0.");
        return preprocess;
    }

    private static double[] ReadNumbers(string option, string? text)
    {
        if (text is null)
            return [];
        var parts = text.Split(',');
        var numbers = new double[parts.Length];
        for (var i = 0; i < parts.Length; i++)
        {
            if (!double.TryParse(parts[i], NumberStyles.Float, CultureInfo.InvariantCulture, out numbers[i]) || !double.IsFinite(numbers[i]))
                throw new InputException(OptionChecks.Code, option, $"'{parts[i]}' is not a finite number", "Give numbers separated by commas, for example 0.485,0.456,0.406.");
        }

        return numbers;
    }

    private static void Print(IAnsiConsole console, EvalResult result)
    {
        console.MarkupLineInterpolated($"[bold]{result.Metric}[/] {Figures.Metric(result.Value, result.Metric)} over {result.Samples} samples; {Figures.Milliseconds(result.LatencyMs)} a sample; {Figures.Bytes(result.SizeBytes)}");
        if (result.Against is { } against)
            console.MarkupLineInterpolated($"against: {Figures.Metric(against.Value, result.Metric)}; {Figures.Milliseconds(against.LatencyMs)}; {Figures.Bytes(against.SizeBytes)} (change {Figures.Change(against.Value, result.Value, result.Metric)})");
    }
}
