using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Tests.Data;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Evaluation;

public sealed class EvaluatorTests : IDisposable
{
    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    public void Dispose() => _environment.Dispose();

    /// <summary>93.34 % is what PyTorch measures on these images (the sample's float model).</summary>
    [Fact]
    public void The_samples_float_accuracy_is_that_of_the_framework_it_was_trained_in()
    {
        const int Images = 10_000;
        using var session = Open(FashionSample.Model(), threads: 0);
        using var data = FashionSample.Test();
        var (sum, count) = new Evaluator(session, null, Metric.Of("top1")).Run(data, FashionSample.Preprocess, 0, Images, 100);
        Assert.Equal((9334d, (long)Images), (sum, count));
    }

    [Fact]
    public void Ranges_and_batches_add_up_to_the_whole()
    {
        using var session = Open(Linear(2));
        using var data = Data();
        var evaluator = new Evaluator(session, null, Metric.Of("top1"));
        var whole = evaluator.Run(data, new Preprocess(), 0, 7, 7);
        Assert.Equal((4d, 7L), whole);
        var (first, second) = (evaluator.Run(data, new Preprocess(), 0, 3, 2), evaluator.Run(data, new Preprocess(), 3, 4, 3));
        Assert.Equal(whole, (first.Sum + second.Sum, first.Count + second.Count));
    }

    [Fact]
    public void Progress_is_reported_batch_by_batch()
    {
        using var session = Open(Linear(2));
        using var data = Data();
        var seen = new List<double>();
        new Evaluator(session, null, Metric.Of("top1")).Run(data, new Preprocess(), 1, 6, 4, new Recorder(seen));
        Assert.Equal([4 / 6d, 1], seen);
    }

    [Fact]
    public void A_model_is_compared_with_its_float_model()
    {
        using var session = Open(Linear(3));
        using var reference = Open(Linear(2));
        using var data = Data();
        var (sum, count) = new Evaluator(session, reference, Metric.Of("mse")).Run(data, new Preprocess(), 0, 7, 3);
        // Outputs (3x, 3) against (2x, 2): the mean of x² and 1, for x = 0 … 6.
        Assert.Equal(((91 + 7) / 2d, 7L), (sum, count));
        Assert.Equal("reference-missing", Assert.Throws<InputException>(
            () => new Evaluator(session, null, Metric.Of("mse")).Run(data, new Preprocess(), 0, 7, 3)).Code);
    }

    [Fact]
    public void A_metric_that_needs_labels_says_so()
    {
        using var session = Open(Linear(2));
        using var data = DataFile.FromMemory(NumPy.Npy(new float[6], 3, 2), "x.npy");
        Assert.Equal("labels-missing", Assert.Throws<InputException>(
            () => new Evaluator(session, null, Metric.Of("top1")).Run(data, new Preprocess(), 0, 3, 3)).Code);
    }

    [Fact]
    public void Latency_is_the_median_of_the_clock_handed_in()
    {
        using var session = Open(Linear(2));
        using var data = Data();
        var evaluator = new Evaluator(session, null, Metric.Of("top1"));
        Assert.Equal(5, evaluator.Latency(data, new Preprocess(), 1, new SteadyClock(TimeSpan.FromMilliseconds(5))));
    }

    [Fact]
    public void A_cancelled_evaluation_stops()
    {
        using var session = Open(Linear(2));
        using var data = Data();
        Assert.Throws<OperationCanceledException>(() => new Evaluator(session, null, Metric.Of("top1")).Run(
            data, new Preprocess(), 0, 7, 1, cancellationToken: new CancellationToken(canceled: true)));
    }

    /// <summary>Scores (factor·x, factor) for the sample (x, 1): class 0 wins where x ≥ 1, and where the scores are equal the lower class.</summary>
    private static OnnxModel Linear(float factor)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 2);
        builder.Output(builder.MatMul("x", builder.Constant(Tensor.FromFloats("w", [2, 2], [factor, 0, 0, factor]))), "scores");
        return builder.Build();
    }

    /// <summary>Samples (0, 1) to (6, 1); the labels of 1, 3 and 5 are wrong.</summary>
    private static DataFile Data() => DataFile.FromMemory(
        NumPy.Npz(
            System.IO.Compression.CompressionLevel.Fastest,
            ("x.npy", NumPy.Npy([.. Enumerable.Range(0, 7).SelectMany(x => new float[] { x, 1 })], 7, 2)),
            ("labels.npy", NumPy.Npy(new long[] { 1, 1, 0, 1, 0, 1, 0 }, 7))),
        "data.npz");

    private Session Open(OnnxModel model, int threads = 1) =>
        Session.FromBytes(_environment, model.ToBytes(), new SessionOptions { IntraOpThreads = threads });

    private sealed class Recorder(List<double> seen) : IProgress<double>
    {
        public void Report(double value) => seen.Add(value);
    }

    /// <summary>Advances by one step each time it is read.</summary>
    private sealed class SteadyClock(TimeSpan step) : TimeProvider
    {
        private long _reads;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _reads++ * step.Ticks;
    }
}
