using Orchestrator.Compression.Corrections;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Tests.Data;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Corrections;

/// <summary>Measures, corrects and runs small models through the real runtime.</summary>
internal sealed class CorrectionHarness(float[] samples, params long[] shape) : IDisposable
{
    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    private ModelRuntime Runtime => new(_environment);

    private int Samples => (int)shape[0];

    public static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((2 * random.NextDouble()) - 1))];
    }

    public double[] Measure(OnnxModel model, IReadOnlyList<SiteRef> sites, int batch, bool training = false)
    {
        var graph = training ? MomentsGraph.OfTraining(model.Clone(), sites) : MomentsGraph.OfOutputs(model.Clone(), sites);
        using var file = DataFile.FromMemory(NumPy.Npy(samples, shape), "x.npy");
        return MomentsRun.Run(Runtime, graph, sites, file, new Preprocess(), new SampleWindow(0, Samples, batch));
    }

    /// <summary>The moments of one site over all samples.</summary>
    public ChannelMoments Moments(OnnxModel model, SiteRef site, int batch = 4) => ChannelMoments.Merge(ChannelMoments.Read(Measure(model, [site], batch), [site], 0));

    /// <summary>The model's output for all samples at once.</summary>
    public float[] Run(OnnxModel model)
    {
        using var session = Runtime.Open(model.Clone());
        using var file = DataFile.FromMemory(NumPy.Npy(samples, shape), "x.npy");
        var batch = DataSet.Match(file, session.Inputs, new Preprocess()).Batches(0, Samples, Samples).Single();
        using var outputs = session.Run(batch.Names, batch.Values, [session.Outputs[0].Name]);
        return outputs[0].AsSpan<float>().ToArray();
    }

    /// <summary>Corrects level after level, as units do.</summary>
    public OnnxModel Correct(Correction kind, OnnxModel reference, OnnxModel draft, params SiteRef[][] levels)
    {
        SiteRef[] all = [.. levels.SelectMany(level => level)];
        var wanted = Measure(reference, all, batch: 4);
        var model = draft.Clone();
        foreach (var level in levels)
        {
            var moments = Measure(model, level, batch: 4);
            var result = kind == Correction.Bias
                ? ChannelCorrections.Bias(level, moments, all, wanted)
                : ChannelCorrections.MeanVariance(level, moments, all, wanted);
            CorrectedModel.Apply(model, new AppliedCorrection(kind, level), result.Values);
        }

        return model;
    }

    public static SiteRef Site(string node, int channels, ChannelAxis axis = ChannelAxis.Second) => new(node, axis, channels);

    public void Dispose() => _environment.Dispose();
}
