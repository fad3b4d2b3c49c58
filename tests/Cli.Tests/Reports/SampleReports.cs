using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Tests.Reports;

/// <summary>Reports as a job might write them.</summary>
internal static class SampleReports
{
    public static readonly Provenance Provenance = new()
    {
        Product = new ProductStamp("Orchestrator", "0.1.0", "1.30.0"),
        Job = "5f3c9a71d2e8b604",
        Recipe = new FileStamp("recipe.yaml", Digest('a'), 612),
        Model = new FileStamp("fashion_resnet14.onnx", Digest('b'), 1_680_021),
        Calibration = new FileStamp("fashion-calibration.npz", Digest('c'), 803_112),
        Evaluation = new FileStamp("fashion-test.npz", Digest('d'), 7_920_274),
        PlanSha256 = Digest('e'),
        Profile = "avx2+cpu+ort1.30.0",
        Seed = 0,
        ManifestSha256 = Digest('f'),
        ResultSha256 = Digest('9'),
        Started = new DateTimeOffset(2026, 3, 1, 9, 58, 12, TimeSpan.Zero),
        Ended = new DateTimeOffset(2026, 3, 1, 9, 59, 1, TimeSpan.Zero),
    };

    /// <summary>Sixteen layers; one skipped, one unsupported, one rescue.</summary>
    public static JobReport Large()
    {
        string[] names = ["/stem/conv/Conv", .. Enumerable.Range(0, 7).SelectMany(block => new[] { $"/blocks.{block}/conv1/Conv", $"/blocks.{block}/conv2/Conv" }), "/fc/Gemm"];
        var layers = names.Select((name, index) => new LayerReport
        {
            Name = name,
            OpType = name == "/fc/Gemm" ? "Gemm" : "Conv",
            Block = index == 0 ? "stem" : index == 15 ? "fc" : $"block {(index - 1) / 2}",
            Method = index == 0 ? null : "exact-obs+obq",
            Rows = 16 << (index / 6),
            Columns = 9 * (16 << (index / 6)),
            Bits = index switch { 0 => 32, 15 => 8, _ => 4 },
            Sparsity = index == 0 ? 0 : 0.7,
            Loss = index == 0 ? null : 0.31 * Math.Pow(0.61, index),
            RelativeLoss = index == 0 ? null : 0.021 * Math.Pow(0.66, index),
            Seconds = index == 0 ? 0 : 0.4 + 0.37 * index,
            Status = index == 0 ? "skipped" : "compressed",
            Reason = index == 0 ? "skipped by rule \"/stem/*\"" : null,
            OutputError = index == 0 ? null : 0.08 + 0.004 * index,
            OutputCosine = index == 0 ? null : 0.9971 - 0.0004 * index,
        }).Append(new LayerReport
        {
            Name = "/head/lstm",
            OpType = "LSTM",
            Block = Figures.None,
            Rows = 128,
            Columns = 64,
            Bits = 32,
            Status = "unsupported",
            Reason = "recurrent weights are not supported",
        });

        return new JobReport
        {
            Status = ReportStatus.Succeeded,
            Job = Provenance.Job,
            Baseline = new MetricReport(93.34, "top1"),
            Compressed = new MetricReport(92.61, "top1"),
            Size = new BeforeAfter<long?>(1_680_021, 262_911),
            Latency = new BeforeAfter<double?>(1.92, 1.71),
            Units = new UnitsReport(214, 180, 34),
            Seconds = 48.7,
            PeakMemoryBytes = 412L << 20,
            Rescues =
            [
                new Rescue("/blocks.0/conv1/Conv", "damping-raised", "the Hessian was not positive definite; damping raised from 1e-4 to 1e-3"),
                new Rescue(null, "wider-codes", "opset 15 has no int4: Resize blocks the upgrade to 21, codes are stored as int8"),
            ],
            Layers = [.. layers],
            Profile = Provenance.Profile,
            ModelSha256 = Digest('9'),
        };
    }

    /// <summary>A job that failed before anything could be measured.</summary>
    public static JobReport Empty() => new()
    {
        Status = ReportStatus.Failed,
        Reason = "unit layer/3/rows/0-15 failed five times: out of memory",
        Job = Provenance.Job,
        Baseline = new MetricReport(null, null),
        Compressed = new MetricReport(null, null),
        Size = new BeforeAfter<long?>(1_680_021, null),
        Latency = new BeforeAfter<double?>(null, null),
        Units = new UnitsReport(0, 0, 0),
        Seconds = 0,
        PeakMemoryBytes = 0,
        Rescues = [],
        Layers = [],
        Profile = Provenance.Profile,
    };

    private static string Digest(char digit) => new(digit, 64);
}
