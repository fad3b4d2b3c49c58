using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Data;

/// <summary>(x·scale − mean) / std with mean and std by channel, the second dimension of the array (design.md section 8).</summary>
internal sealed class ChannelScaling
{
    private readonly double _scale;
    private readonly double[] _mean;
    private readonly double[] _std;
    private readonly long _channels;
    private readonly long _inner;

    public ChannelScaling(Preprocess preprocess, IReadOnlyList<long> shape)
    {
        _channels = Channels(shape);
        _inner = Math.Max(1, shape.Skip(2).Aggregate(1L, (product, dimension) => product * dimension));
        _scale = preprocess.Scale;
        _mean = Spread(preprocess.Mean, 0);
        _std = Spread(preprocess.Std, 1);
    }

    /// <exception cref="InputException">The lists do not fit the array.</exception>
    public static void Check(Preprocess preprocess, IReadOnlyList<long> shape, string subject)
    {
        var channels = Channels(shape);
        foreach (var (name, list) in new[] { ("mean", preprocess.Mean), ("std", preprocess.Std) })
        {
            if (list.Count > 1 && list.Count != channels)
            {
                throw new InputException(
                    "preprocess-channels", $"data.preprocess.{name}", $"data.preprocess.{name} has {list.Count} entries, but '{subject}' has {channels} channels.",
                    "Give one entry for each channel (the array's second dimension), or one for all.");
            }
        }
    }

    /// <param name="element">Index of the element within whole samples.</param>
    public double Apply(double value, int element)
    {
        var channel = _channels == 1 ? 0 : (int)(element / _inner % _channels);
        return ((value * _scale) - _mean[channel]) / _std[channel];
    }

    private static long Channels(IReadOnlyList<long> shape) => shape.Count > 1 ? Math.Max(1, shape[1]) : 1;

    private double[] Spread(IReadOnlyList<double> list, double otherwise)
    {
        if (list.Count > 1)
            return [.. list];
        var values = new double[_channels];
        Array.Fill(values, list.Count == 0 ? otherwise : list[0]);
        return values;
    }
}
