using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Corrections;

/// <summary>From moments to corrections (algorithms.md 5.10): two values a channel, and what they change.</summary>
public static class ChannelCorrections
{
    /// <summary>Weight of a batch in an update of the running statistics.</summary>
    private const double Momentum = 0.1;

    /// <summary>Kept from dividing by nothing, as in the original.</summary>
    private const double SmallestDeviation = 1e-9;

    /// <summary>A channel whose deviation has shrunk this far carries rounding errors only; stretching it would make them the signal.</summary>
    private const double ConstantShare = 1e-5;

    /// <summary>
    /// New running statistics of batch norms: from mean 0 and variance 1, <paramref name="updates"/> times a step of a tenth towards the next batch's, the
    /// batches in turn. What a batch shows does not depend on the running statistics, so each is measured once.
    /// </summary>
    /// <param name="draft">Holds the old statistics.</param>
    /// <param name="moments">Content of the moments blobs in shard order.</param>
    public static CorrectionResult BatchNorms(OnnxModel draft, IReadOnlyList<SiteRef> sites, ReadOnlySpan<double> moments, int updates)
    {
        var result = new CorrectionResult(Correction.BatchNorm);
        for (var site = 0; site < sites.Count; site++)
        {
            var batches = ChannelMoments.Read(moments, sites, site);
            var (means, variances) = (new double[sites[site].Channels], Enumerable.Repeat(1.0, sites[site].Channels).ToArray());
            for (var update = 0; update < updates; update++)
            {
                var batch = batches[update % batches.Count];
                for (var c = 0; c < means.Length; c++)
                {
                    means[c] += Momentum * (batch.Means[c] - means[c]);
                    variances[c] += Momentum * (batch.Unbiased(c) - variances[c]);
                }
            }

            var norm = draft.Graph.FindNode(sites[site].Node)!;
            var (oldMeans, oldVariances) = (Parameter(draft, norm, 3), Parameter(draft, norm, 4));
            var epsilon = norm.Float("epsilon", 1e-5f);
            result.Add(
                sites[site].Node, means, variances,
                c => (means[c] - oldMeans[c]) / Math.Sqrt(oldVariances[c] + epsilon),
                c => Math.Sqrt((variances[c] + epsilon) / (oldVariances[c] + epsilon)));
        }

        return result;
    }

    /// <summary>Factor and shift that give each channel the mean and the deviation it has in the float model.</summary>
    /// <param name="moments">Of the draft at these sites.</param>
    /// <param name="reference">Of the float model at <paramref name="referenceSites"/>.</param>
    public static CorrectionResult MeanVariance(IReadOnlyList<SiteRef> sites, ReadOnlySpan<double> moments, IReadOnlyList<SiteRef> referenceSites, ReadOnlySpan<double> reference)
    {
        var result = new CorrectionResult(Correction.MeanVariance);
        for (var site = 0; site < sites.Count; site++)
        {
            var (actual, wanted) = Pair(sites, site, moments, referenceSites, reference);
            var factors = new double[actual.Means.Length];
            var constant = 0;
            for (var c = 0; c < factors.Length; c++)
            {
                var isConstant = actual.Deviation(c) <= ConstantShare * wanted.Deviation(c);
                factors[c] = isConstant ? 1 : wanted.Deviation(c) / (actual.Deviation(c) + SmallestDeviation);
                constant += isConstant ? 1 : 0;
            }

            double[] shifts = [.. factors.Select((factor, c) => wanted.Means[c] - (factor * actual.Means[c]))];
            result.Add(sites[site].Node, factors, shifts, c => Shift(actual, wanted, c), c => 1 / Math.Max(factors[c], SmallestDeviation));
            if (constant > 0)
                result.Rescue("constant-channels", $"'{sites[site].Node}': {constant} of {factors.Length} channels are constant in the compressed model; only their means are corrected.");
        }

        return result;
    }

    /// <summary>What each channel lacks of its mean in the float model, to be added to the layer's bias.</summary>
    /// <inheritdoc cref="MeanVariance"/>
    public static CorrectionResult Bias(IReadOnlyList<SiteRef> sites, ReadOnlySpan<double> moments, IReadOnlyList<SiteRef> referenceSites, ReadOnlySpan<double> reference)
    {
        var result = new CorrectionResult(Correction.Bias);
        for (var site = 0; site < sites.Count; site++)
        {
            var (actual, wanted) = Pair(sites, site, moments, referenceSites, reference);
            double[] biases = [.. wanted.Means.Select((mean, c) => mean - actual.Means[c])];
            result.Add(sites[site].Node, biases, new double[biases.Length], c => Shift(actual, wanted, c), _ => 1);
        }

        return result;
    }

    private static (ChannelMoments Actual, ChannelMoments Wanted) Pair(
        IReadOnlyList<SiteRef> sites, int site, ReadOnlySpan<double> moments, IReadOnlyList<SiteRef> referenceSites, ReadOnlySpan<double> reference)
    {
        var at = referenceSites.Index().First(r => r.Item.Node == sites[site].Node).Index;
        return (ChannelMoments.Merge(ChannelMoments.Read(moments, sites, site)), ChannelMoments.Merge(ChannelMoments.Read(reference, referenceSites, at)));
    }

    private static double Shift(ChannelMoments actual, ChannelMoments wanted, int c) =>
        (actual.Means[c] - wanted.Means[c]) / Math.Max(wanted.Deviation(c), SmallestDeviation);

    private static double[] Parameter(OnnxModel model, Node norm, int input) => WeightView.Find(model.Graph, norm.Input(input))!.Tensor.ReadDoubles();
}

/// <summary>The content of a <c>corrections</c> blob, and what it changes.</summary>
public sealed class CorrectionResult
{
    private readonly Correction _kind;
    private readonly List<double> _values = [];
    private readonly List<SiteCorrection> _sites = [];
    private readonly List<Rescue> _rescues = [];

    internal CorrectionResult(Correction kind) => _kind = kind;

    public double[] Values => [.. _values];

    public IReadOnlyList<SiteCorrection> Sites => _sites;

    /// <summary>Their layer is null.</summary>
    public IReadOnlyList<Rescue> Rescues => _rescues;

    internal void Add(string node, double[] first, double[] second, Func<int, double> shift, Func<int, double> scale)
    {
        _values.AddRange(first);
        _values.AddRange(second);
        var channels = Enumerable.Range(0, first.Length);
        _sites.Add(new(_kind, node, Math.Sqrt(channels.Average(c => shift(c) * shift(c))), Math.Exp(channels.Average(c => Math.Log(Math.Max(scale(c), double.Epsilon))))));
    }

    internal void Rescue(string kind, string detail) => _rescues.Add(new(null, kind, detail));
}
