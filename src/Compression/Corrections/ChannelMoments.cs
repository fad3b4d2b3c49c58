using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Corrections;

/// <summary>Mean and variance of one output, channel by channel, over some samples.</summary>
/// <param name="Count">Elements a channel.</param>
/// <param name="Variances">Mean squared deviation; divided by the count, not by one less.</param>
internal sealed record ChannelMoments(double Count, double[] Means, double[] Variances)
{
    /// <summary>Standard deviation as it is estimated from a sample.</summary>
    public double Deviation(int channel) => Math.Sqrt(Unbiased(channel));

    /// <summary>Variance as it is estimated from a sample.</summary>
    public double Unbiased(int channel) => Count > 1 ? Variances[channel] * Count / (Count - 1) : Variances[channel];

    /// <summary>The moments of all samples together, in the order given.</summary>
    public static ChannelMoments Merge(IEnumerable<ChannelMoments> parts) => parts.Aggregate((a, b) =>
    {
        var count = a.Count + b.Count;
        var means = new double[a.Means.Length];
        var variances = new double[a.Means.Length];
        for (var c = 0; c < means.Length; c++)
        {
            var delta = b.Means[c] - a.Means[c];
            means[c] = a.Means[c] + (delta * b.Count / count);
            variances[c] = ((a.Variances[c] * a.Count) + (b.Variances[c] * b.Count) + (delta * delta * a.Count * b.Count / count)) / count;
        }

        return new ChannelMoments(count, means, variances);
    });

    /// <summary>The moments of one site, batch by batch, from the content of <c>moments</c> blobs one behind the other.</summary>
    /// <param name="sites">The blobs' sites.</param>
    /// <param name="site">Which of them.</param>
    /// <exception cref="ArgumentException">The content is not whole batches.</exception>
    public static List<ChannelMoments> Read(ReadOnlySpan<double> content, IReadOnlyList<SiteRef> sites, int site)
    {
        var size = sites.Sum(Size);
        if (size == 0 || content.Length % size != 0)
            throw new ArgumentException($"{content.Length} values are not whole batches of {size}.", nameof(content));
        var start = sites.Take(site).Sum(Size);
        var channels = sites[site].Channels;
        var batches = new List<ChannelMoments>();
        for (var at = start; at < content.Length; at += size)
            batches.Add(new(content[at], content.Slice(at + 1, channels).ToArray(), content.Slice(at + 1 + channels, channels).ToArray()));
        return batches;
    }

    private static int Size(SiteRef site) => 1 + (2 * site.Channels);
}
