using Orchestrator.Compression.Reconstruction;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>
/// AdaRound on one convolution by plain loops in double (algorithms.md 2.1 and 2.2): soft weights, what leaves it, gradients and Adam's update; nothing
/// of the graphs under test is used.
/// </summary>
internal sealed class ReferenceConvolution
{
    private const double Zeta = 1.1;
    private const double Gamma = -0.1;

    private readonly SoftRounding _rounding;
    private readonly float[] _floors;
    private readonly double[] _bias;
    private readonly (int Batch, int Inputs, int Outputs, int Kernel, int Side, int Group) _shape;
    private double[] _x = [];

    /// <param name="rounding">Where codes lie and what they stand for: grids and lower codes.</param>
    /// <param name="shape">As many zeros are put round an image as keep its side.</param>
    /// <param name="v">Roundings and their moments.</param>
    public ReferenceConvolution(SoftRounding rounding, double[] bias, (int Batch, int Inputs, int Outputs, int Kernel, int Side, int Group) shape, double[] v, double[] m, double[] variance)
    {
        (_rounding, _floors, _bias, _shape) = (rounding, rounding.Floors(), bias, shape);
        (V, M, Variance) = (v, m, variance);
    }

    public double[] V { get; }

    public double[] M { get; }

    public double[] Variance { get; }

    public double Penalty(double beta) => V.Sum(v => 1 - Math.Pow(Math.Abs(2 * H(v) - 1), beta));

    public double[] Forward(double[] x)
    {
        _x = x;
        var (w, y) = (Weights(), new double[_shape.Batch * _shape.Outputs * _shape.Side * _shape.Side]);
        for (var i = 0; i < y.Length; i++)
            y[i] = _bias[i / (_shape.Side * _shape.Side) % _shape.Outputs];
        foreach (var (at, weight, input) in Products())
            y[at] += w[weight] * x[input];
        return y;
    }

    /// <summary>Adam's update from what is asked of the weights and of the penalty.</summary>
    /// <returns>The gradient of the input.</returns>
    public double[] Backward(double[] dy, double beta, double lambda, double rate, int step)
    {
        var (w, dw, dx) = (Weights(), new double[V.Length], new double[_x.Length]);
        foreach (var (at, weight, input) in Products())
        {
            dw[weight] += dy[at] * _x[input];
            dx[input] += dy[at] * w[weight];
        }

        for (var i = 0; i < V.Length; i++)
        {
            var (grid, h, sigmoid) = (Grid(i), H(V[i]), 1 / (1 + Math.Exp(-V[i])));
            var code = _floors[i] + h + grid.Zero;
            var ofCode = code >= 0 && code <= grid.MaximumCode ? dw[i] * grid.Scale : 0;
            var ofPenalty = -2 * beta * Math.Pow(Math.Abs(2 * h - 1), beta - 1) * Math.Sign(2 * h - 1);
            var g = h is > 0 and < 1 ? (ofCode + lambda * ofPenalty) * (Zeta - Gamma) * sigmoid * (1 - sigmoid) : 0;
            M[i] = 0.9 * M[i] + 0.1 * g;
            Variance[i] = 0.999 * Variance[i] + 0.001 * g * g;
            V[i] -= rate * (M[i] / (1 - Math.Pow(0.9, step))) / (Math.Sqrt(Variance[i] / (1 - Math.Pow(0.999, step))) + 1e-8);
        }

        return dx;
    }

    private static double H(double v) => Math.Clamp((Zeta - Gamma) / (1 + Math.Exp(-v)) + Gamma, 0, 1);

    private Numerics.RowGrid<float> Grid(int weight) => _rounding.Grids[weight / (V.Length / _shape.Outputs)];

    private double[] Weights() =>
        [.. V.Select((v, i) => (Math.Clamp(_floors[i] + H(v) + Grid(i).Zero, 0, Grid(i).MaximumCode) - Grid(i).Zero) * (double)Grid(i).Scale)];

    /// <summary>Every product of a convolution: the places of what it adds to, of its weight and of its input.</summary>
    private IEnumerable<(int Output, int Weight, int Input)> Products()
    {
        var (batch, inputs, outputs, kernel, side, group) = _shape;
        var (perGroup, outputsPerGroup) = (inputs / group, outputs / group);
        for (var n = 0; n < batch; n++)
            for (var o = 0; o < outputs; o++)
                for (var c = 0; c < perGroup; c++)
                    for (var tap = 0; tap < kernel * kernel; tap++)
                        for (var at = 0; at < side * side; at++)
                        {
                            var (row, column) = ((at / side) + (tap / kernel) - (kernel / 2), (at % side) + (tap % kernel) - (kernel / 2));
                            if (row >= 0 && row < side && column >= 0 && column < side)
                                yield return (
                                    (((n * outputs) + o) * side * side) + at,
                                    (((o * perGroup) + c) * kernel * kernel) + tap,
                                    (((n * inputs) + (o / outputsPerGroup * perGroup) + c) * side * side) + (row * side) + column);
                        }
    }
}
