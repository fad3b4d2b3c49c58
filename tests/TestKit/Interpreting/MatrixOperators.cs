using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.TestKit.Interpreting;

internal static class MatrixOperators
{
    public static DoubleTensor? Run(Node node, DoubleTensor?[] inputs) => node.OpType switch
    {
        "MatMul" => MatMul(inputs[0]!, inputs[1]!),
        "Gemm" => Gemm(node, inputs),
        "Conv" => Conv(node, inputs[0]!, inputs[1]!, inputs.ElementAtOrDefault(2)),
        "MaxPool" => Pool(node, inputs[0]!, values => values.Max(v => v ?? double.NegativeInfinity)),
        "AveragePool" => Pool(node, inputs[0]!, values => node.Int("count_include_pad", 0) != 0 ? values.Average(v => v ?? 0) : values.Average()!.Value),
        "ConvTranspose" => ConvTranspose(node, inputs[0]!, inputs[1]!),
        "Softmax" or "LogSoftmax" => Softmax(node, inputs[0]!),
        "LayerNormalization" => LayerNormalization(node, inputs),
        "BatchNormalization" => BatchNormalization(node, inputs),
        _ => null,
    };

    private static DoubleTensor MatMul(DoubleTensor a, DoubleTensor b)
    {
        var batch = DoubleTensor.Broadcast(a.Shape[..^2], b.Shape[..^2]);
        return DoubleTensor.Build([.. batch, a.Shape[^2], b.Shape[^1]], index =>
        {
            var sum = 0.0;
            for (var k = 0L; k < a.Shape[^1]; k++)
                sum += a.At([.. index[..^1], k]) * b.At([.. index[..^2], k, index[^1]]);
            return sum;
        });
    }

    private static DoubleTensor Gemm(Node node, DoubleTensor?[] inputs)
    {
        var a = node.Int("transA", 0) != 0 ? LayoutOperators.Transpose(inputs[0]!, [1, 0]) : inputs[0]!;
        var b = node.Int("transB", 0) != 0 ? LayoutOperators.Transpose(inputs[1]!, [1, 0]) : inputs[1]!;
        var product = MatMul(a, b);
        var c = inputs.ElementAtOrDefault(2);
        return DoubleTensor.Build(product.Shape, i => (node.Float("alpha", 1) * product.At(i)) + (c is null ? 0 : node.Float("beta", 1) * c.At(i)));
    }

    private static DoubleTensor Conv(Node node, DoubleTensor x, DoubleTensor w, DoubleTensor? bias)
    {
        var g = ConvolutionGeometry.Of(node, w.Shape, x.Shape, out var reason) ?? throw new ArgumentException(reason, nameof(node));
        var outputs = w.Shape[0] / node.Int("group", 1);
        return DoubleTensor.Build([x.Shape[0], w.Shape[0], .. x.Shape.Skip(2).Select((d, i) => g.OutputSize(i, d))], index =>
        {
            var sum = bias?.Values[index[1]] ?? 0;
            foreach (var tap in DoubleTensor.Indices(w.Shape[1..]))
            {
                var at = new long[x.Rank];
                (at[0], at[1]) = (index[0], (index[1] / outputs * w.Shape[1]) + tap[0]);
                for (var i = 2; i < at.Length; i++)
                    at[i] = (index[i] * g.Strides[i - 2]) + (tap[i - 1] * g.Dilations[i - 2]) - g.PadsBefore[i - 2];
                if (IsInside(at, x.Shape))
                    sum += x.At(at) * w.At([index[1], .. tap]);
            }
            return sum;
        });
    }

    /// <summary>Null stands for padding; without ceil_mode.</summary>
    private static DoubleTensor Pool(Node node, DoubleTensor x, Func<IEnumerable<double?>, double> fold)
    {
        var g = ConvolutionGeometry.Of(node, [1, 1, .. node.Ints("kernel_shape")!], x.Shape, out var reason) ?? throw new ArgumentException(reason, nameof(node));
        return DoubleTensor.Build([x.Shape[0], x.Shape[1], .. x.Shape.Skip(2).Select((d, i) => g.OutputSize(i, d))], index => fold(
            DoubleTensor.Indices([.. g.Kernel]).Select(tap =>
            {
                long[] at = [index[0], index[1], .. tap.Select((t, i) => (index[i + 2] * g.Strides[i]) + (t * g.Dilations[i]) - g.PadsBefore[i])];
                return IsInside(at, x.Shape) ? x.At(at) : (double?)null;
            })));
    }

    private static DoubleTensor ConvTranspose(Node node, DoubleTensor x, DoubleTensor w)
    {
        var g = ConvolutionGeometry.Of(node, w.Shape, x.Shape, out var reason) ?? throw new ArgumentException(reason, nameof(node));
        var group = node.Int("group", 1);
        var inputs = w.Shape[0] / group;
        var y = DoubleTensor.Zeros(
            [x.Shape[0], w.Shape[1] * group, .. x.Shape.Skip(2).Select((d, i) =>
                ((d - 1) * g.Strides[i]) + ((g.Kernel[i] - 1) * g.Dilations[i]) + 1 - g.PadsBefore[i] - g.PadsAfter[i])]);
        var strides = DoubleTensor.Strides(y.Shape);
        foreach (var index in DoubleTensor.Indices(x.Shape))
            foreach (var tap in DoubleTensor.Indices(w.Shape[1..]))
            {
                var at = new long[x.Rank];
                (at[0], at[1]) = (index[0], (index[1] / inputs * w.Shape[1]) + tap[0]);
                for (var i = 2; i < at.Length; i++)
                    at[i] = (index[i] * g.Strides[i - 2]) + (tap[i - 1] * g.Dilations[i - 2]) - g.PadsBefore[i - 2];
                if (IsInside(at, y.Shape))
                    y.Values[at.Zip(strides, (a, s) => a * s).Sum()] += x.At(index) * w.At([index[1], .. tap]);
            }
        return y;
    }

    private static bool IsInside(long[] index, long[] shape)
    {
        for (var i = 0; i < index.Length; i++)
            if (index[i] < 0 || index[i] >= shape[i])
                return false;
        return true;
    }

    private static DoubleTensor Softmax(Node node, DoubleTensor x)
    {
        var axis = node.Int("axis", -1);
        long[] axes = [axis < 0 ? axis + x.Rank : axis];
        var highest = LayoutOperators.Reduce(x, axes, values => values.Max());
        var exponentials = DoubleTensor.Build(x.Shape, i => Math.Exp(x.At(i) - highest.At(i)));
        var sums = LayoutOperators.Reduce(exponentials, axes, values => values.Sum());
        return DoubleTensor.Build(x.Shape, i =>
            node.OpType == "Softmax" ? exponentials.At(i) / sums.At(i) : x.At(i) - highest.At(i) - Math.Log(sums.At(i)));
    }

    private static DoubleTensor LayerNormalization(Node node, DoubleTensor?[] inputs)
    {
        var x = inputs[0]!;
        var axis = node.Int("axis", -1);
        long[] axes = [.. Enumerable.Range(0, x.Rank).Select(i => (long)i).Where(i => i >= (axis < 0 ? axis + x.Rank : axis))];
        var mean = LayoutOperators.Reduce(x, axes, values => values.Average());
        var variance = LayoutOperators.Reduce(DoubleTensor.Build(x.Shape, i => Math.Pow(x.At(i) - mean.At(i), 2)), axes, values => values.Average());
        return DoubleTensor.Build(x.Shape, i =>
            ((x.At(i) - mean.At(i)) / Math.Sqrt(variance.At(i) + node.Float("epsilon", 1e-5f)) * inputs[1]!.At(i)) + (inputs.ElementAtOrDefault(2)?.At(i) ?? 0));
    }

    private static DoubleTensor BatchNormalization(Node node, DoubleTensor?[] inputs) => DoubleTensor.Build(inputs[0]!.Shape, i =>
    {
        double Channel(int input) => inputs[input]!.Values[i[1]];
        return ((inputs[0]!.At(i) - Channel(3)) / Math.Sqrt(Channel(4) + node.Float("epsilon", 1e-5f)) * Channel(1)) + Channel(2);
    });
}
