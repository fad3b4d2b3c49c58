using System.Text.Json;
using Orchestrator.Cli;
using Orchestrator.Zoo.Tests.Networks;
using Orchestrator.Zoo.Tests.Running;
using Xunit.Abstractions;

namespace Orchestrator.Zoo.Tests.Jobs;

/// <summary>Whole jobs on real networks, by the command that users give.</summary>
public sealed class NetworkJobTests(ITestOutputHelper output) : IDisposable
{
    private const int Samples = 2;
    private const string Rtn8 = "[{method: rtn, bits: 8}]";
    private const string Obq4 = "[{method: obq, bits: 4, damping: 1e-2}]";
    private const string Nm24 = "[{method: nm, pattern: '2:4', damping: 1e-2}]";

    /// <summary>Least cosine of the output of every layer, and of the model, to the float model's on noise it was not calibrated on (measured: see results.md).</summary>
    private static readonly Dictionary<string, (double Layer, double Model)> s_bounds = new()
    {
        [Rtn8] = (0.97, 0.8),
        [Obq4] = (0.8, 0.95),
        [Nm24] = (0.9, 0.9),
    };

    /// <summary>Outputs below this everywhere are those of a saturated sigmoid on noise; they say nothing of how close the models are.</summary>
    private const double SmallestOutput = 1e-3;

    /// <summary>Names and folded biases, where the weights stay float.</summary>
    private const int SmallGrowth = 64 << 10;

    private readonly ModelRun _run = new();

    public static TheoryData<string, string> Jobs() => new()
    {
        { "ppocr4-det", Nm24 },
        { "ppocr4-rec", Rtn8 },
        { "ppocr2-cls", Obq4 },
        { "ppocr4-det-browser", Rtn8 },
        { "ppocr4-rec-browser", Rtn8 },
        { "ppocr3-rec-chinese", Rtn8 },
        { "ppocr3-rec-english", Rtn8 },
        { "ppocr3-rec-japanese", Rtn8 },
        { "ppocr3-rec-korean", Rtn8 },
        { "mlsd-320-tiny", Rtn8 },
        { "wakeword-melspectrogram", Rtn8 },
        { "wakeword-embedding", Obq4 },
        { "wakeword-alexa", Rtn8 },
        { "wakeword-jarvis", Rtn8 },
        { "wakeword-mycroft", Rtn8 },
        { "wakeword-rhasspy", Nm24 },
        { "wakeword-timer", Rtn8 },
        { "wakeword-weather", Rtn8 },
        { "ddddocr-recogniser", Rtn8 },
        { "ddddocr-detector", Rtn8 },
    };

    public static TheoryData<string> WithoutLayers() => ["silero-vad-4", "silero-vad-4-wakeword", "silero-vad-5", "silero-vad-6", "ddddocr-int8"];

    public void Dispose() => _run.Dispose();

    [NetworkTheory]
    [MemberData(nameof(Jobs))]
    public async Task A_job_ends_with_a_model_that_runs_and_is_close(string name, string compress)
    {
        var network = Network.Named(name);
        var bytes = network.Bytes();
        using var folder = new JobFolder(bytes, Calibration(network, bytes));

        var (code, report) = await folder.RunAsync(compress, Skipped(name));

        Assert.True(code == ExitCodes.Success, report.ToString());
        var (layer, model) = s_bounds[compress];
        var written = report.GetProperty("layers").EnumerateArray().Where(l => l.GetProperty("status").GetString() == "compressed").ToList();
        var cosines = written.ConvertAll(l => l.GetProperty("outputCosine").GetDouble());
        var expected = _run.Run(bytes, network.Feeds(seed: 7));
        var cosine = Comparison.Cosine(expected, _run.Run(folder.Model, network.Feeds(seed: 7)));
        output.WriteLine($"{written.Count} layers, least cosine {cosines.Min():g6}; model {cosine:g6}; {bytes.Length} to {folder.Model.Length} bytes; {report.GetProperty("seconds").GetDouble():f1} s");
        Assert.True(cosines.Min() >= layer, $"a layer's output has a cosine of {cosines.Min():g4}");
        Assert.True(cosine >= model || expected.SelectMany(e => e.Reals).All(v => Math.Abs(v) < SmallestOutput), $"the model's output has a cosine of {cosine:g4}");
        Assert.True(folder.Model.Length < bytes.Length + SmallGrowth, $"{bytes.Length} bytes became {folder.Model.Length}");
    }

    [NetworkTheory]
    [MemberData(nameof(WithoutLayers))]
    public async Task A_model_without_a_layer_that_we_compress_is_refused_with_the_reason(string name)
    {
        var network = Network.Named(name);
        var bytes = network.Bytes();
        using var folder = new JobFolder(bytes, Calibration(network, bytes));

        var (code, json) = await folder.RunAsync(Rtn8);

        Assert.Equal(ExitCodes.WrongInput, code);
        Assert.Equal("no-supported-layer", json.GetProperty("error").GetProperty("code").GetString());
        Assert.False(Directory.Exists(folder["out"]));
    }

    private IReadOnlyList<Feed> Calibration(Network network, byte[] bytes)
    {
        using var session = _run.Open(bytes);
        return network.Feeds().For(session.Inputs.Select(input => input.Shape.Count == 0 ? input : input with { Shape = [Samples, .. input.Shape.Skip(1)] }));
    }

    /// <summary>Two layers of these have thousands of columns, whose Hessians take minutes and gigabytes here.</summary>
    private static string Skipped(string name) => name.StartsWith("ppocr3-rec", StringComparison.Ordinal)
        ? "layers: [{match: p2o.Conv.31, skip: true}, {match: p2o.Conv.34, skip: true}]"
        : "";
}
