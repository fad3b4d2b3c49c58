namespace Orchestrator.Onnx.Tests.Gradients;

public sealed class RuleTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 12)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Elements_with_broadcasting(int seed)
    {
        foreach (var opType in new[] { "Add", "Sub", "Mul", "Div", "Min", "Max", "Pow", "Sum" })
        {
            var p = new GradientProblem(seed);
            var shape = p.Shape(3);
            var a = p.Input("a", Shrunk(p, shape), 0.5, 1.4);
            var b = p.Input("b", Shrunk(p, shape), 1.5, 2);
            p.Check(p.Loss(p.Graph.Binary(opType, a, b)), "a", "b");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Functions_of_one_element(int seed)
    {
        foreach (var opType in new[] { "Neg", "Abs", "Exp", "Erf", "Relu", "LeakyRelu", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "Gelu", "Softmax", "LogSoftmax", "Identity" })
        {
            var p = new GradientProblem(seed);
            p.Check(p.Loss(p.Graph.Add(opType, [p.Input("x", p.Shape(3), -5, 5, -3, -2.5, 0, 2.5, 3)])), "x");
        }
        foreach (var opType in new[] { "Sqrt", "Log", "Reciprocal" })
        {
            var p = new GradientProblem(seed);
            p.Check(p.Loss(p.Graph.Add(opType, [p.Input("x", p.Shape(2), 0.3, 3)])), "x");
        }
        var tanh = new GradientProblem(seed);
        tanh.Check(tanh.Loss(tanh.Graph.Add("Gelu", [tanh.Input("x", tanh.Shape(2), -4, 4)], NodeAttribute.Text("approximate", "tanh"))), "x");
        foreach (var axis in new[] { 0, 1, -2 })
        {
            var p = new GradientProblem(seed);
            p.Check(p.Loss(p.Graph.Add(axis == 0 ? "LogSoftmax" : "Softmax", [p.Input("x", p.Shape(3))], NodeAttribute.Int("axis", axis))), "x");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Clip_and_Where_choose(int seed)
    {
        var p = new GradientProblem(seed);
        var x = p.Input("x", [2, 3], -2, 2, -1, 0, 1);
        var clipped = p.Graph.Add("Clip", [x, p.Graph.Scalar(-1), p.Graph.Scalar(1)]);
        var y = p.Input("y", [1, 3]);
        p.Check(p.Loss(p.Graph.Add("Where", [p.Graph.Binary("Greater", x, p.Graph.Scalar(0)), clipped, y])), "x", "y");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Products(int seed)
    {
        var p = new GradientProblem(seed);
        var (m, k, n) = (p.Size(), p.Size(), p.Size());
        var (isA, isB) = (seed % 2 == 1, seed % 4 > 1);
        var gemm = p.Graph.Add(
            "Gemm",
            [p.Input("a", isA ? [k, m] : [m, k]), p.Input("b", isB ? [n, k] : [k, n]), p.Input("c", seed % 3 == 0 ? [n] : [m, 1])],
            NodeAttribute.Int("transA", isA ? 1 : 0), NodeAttribute.Int("transB", isB ? 1 : 0), NodeAttribute.Float("alpha", 0.5f), NodeAttribute.Float("beta", 2));
        p.Check(p.Loss(gemm), "a", "b", "c");

        foreach (var (left, right) in new (long[], long[])[] { ([m, k], [k, n]), ([2, 3, m, k], [k, n]), ([2, 3, m, k], [3, k, n]), ([m, k], [2, k, n]), ([2, 1, m, k], [1, 3, k, n]) })
        {
            var q = new GradientProblem(seed);
            q.Check(q.Loss(q.Graph.MatMul(q.Input("a", left), q.Input("b", right))), "a", "b");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Convolutions(int seed)
    {
        foreach (var axes in new[] { 1, 2 })
            foreach (var strided in new[] { false, true })
            {
                var p = new GradientProblem((seed * 4) + axes);
                var group = p.Size(3);
                var (inputs, outputs) = (p.Size(2), p.Size(2));
                var kernel = p.Shape(axes, 3);
                long[] dilations = p.Shape(axes, 2);
                long[] strides = strided ? p.Shape(axes, 3) : [.. kernel.Select(_ => 1L)];
                long[] pads = [.. Enumerable.Range(0, 2 * axes).Select(_ => p.Size(3) - 1)];
                long[] sizes = [.. kernel.Select((k, i) => ((k - 1) * dilations[i]) + p.Size(5))];
                var y = p.Graph.Add(
                    "Conv",
                    [p.Input("x", [p.Size(2), group * inputs, .. sizes]), p.Input("w", [group * outputs, inputs, .. kernel]), p.Input("b", [group * outputs])],
                    NodeAttribute.Int("group", group), NodeAttribute.Ints("pads", pads), NodeAttribute.Ints("strides", strides), NodeAttribute.Ints("dilations", dilations));
                p.Check(p.Loss(y), "x", "w", "b");
            }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Convolutions_of_one_sample_along_one_axis(int seed)
    {
        var p = new GradientProblem(seed);
        var (group, kernel, dilation, size) = (p.Size(3), p.Size(), p.Size(3), p.Size());
        var y = p.Graph.Add(
            "Conv",
            [p.Input("x", [1, 2 * group, ((kernel - 1) * dilation) + size, p.Size()]), p.Input("w", [3 * group, 2, kernel, 1]), p.Input("b", [3 * group])],
            NodeAttribute.Int("group", group), NodeAttribute.Ints("pads", p.Size() - 1, 0, p.Size() - 1, 0), NodeAttribute.Ints("strides", p.Size(3), 1),
            NodeAttribute.Ints("dilations", dilation, 1));
        p.Check(p.Loss(y), "x", "w", "b");
    }

    /// <summary>Where padding is wider than the kernel, positions of it see zeros alone.</summary>
    [Theory]
    [InlineData(6, 1)]
    [InlineData(1, 6)]
    [InlineData(5, 5)]
    public void Convolutions_with_more_padding_than_input(long before, long after)
    {
        foreach (var stride in new[] { 1, 2, 3 })
        {
            var p = new GradientProblem(stride);
            var y = p.Graph.Add(
                "Conv", [p.Input("x", [1, 1, 2]), p.Input("w", [2, 1, 3])], NodeAttribute.Ints("pads", before, after), NodeAttribute.Ints("strides", stride), NodeAttribute.Ints("dilations", 2));
            p.Check(p.Loss(y), "x", "w");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Convolutions_that_pad_themselves(int seed)
    {
        var p = new GradientProblem(seed);
        var y = p.Graph.Add(
            "Conv", [p.Input("x", [2, 2, 3 + p.Size(), 4]), p.Input("w", [2, 2, p.Size(3), 2])],
            NodeAttribute.Text("auto_pad", seed % 2 == 0 ? "SAME_UPPER" : "SAME_LOWER"), NodeAttribute.Ints("strides", p.Size(2), p.Size(2)));
        p.Check(p.Loss(y), "x", "w");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Reductions(int seed)
    {
        foreach (var opType in new[] { "ReduceSum", "ReduceMean" })
        {
            var p = new GradientProblem(seed, seed % 2 == 0 ? 13 : 20);
            p.Check(p.Loss(p.Graph.Reduce(opType, p.Input("x", p.Shape(3)), seed % 3 == 0, [.. new long[] { seed % 3, -1 }.Distinct().Take(seed % 3 == 2 ? 1 : 2)])), "x");
        }
        var q = new GradientProblem(seed);
        q.Check(q.Loss(q.Graph.Add("ReduceMean", [q.Input("x", q.Shape(3))])), "x");
        var pool = new GradientProblem(seed);
        pool.Check(pool.Loss(pool.Graph.Add("GlobalAveragePool", [pool.Input("x", pool.Shape(4))])), "x");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Layouts(int seed)
    {
        var p = new GradientProblem(seed);
        var shape = p.Shape(3);
        var g = p.Graph;
        var x = p.Input("x", shape);
        var turned = g.Transpose(x, 2, 0, 1);
        var flat = g.Add("Flatten", [g.Squeeze(g.Unsqueeze(turned, 0, 2), 0, 2)], NodeAttribute.Int("axis", 1));
        var joined = g.Concat(-1, flat, p.Input("y", [shape[2], 3]), g.Reshape(flat, 0, -1));
        var parts = g.AddMany("Split", [joined, g.Vector((2 * shape[0] * shape[1]) + 1, 2)], 2, NodeAttribute.Int("axis", 1));
        var wide = g.Add("Expand", [g.Reshape(parts[0], shape[2], 1, -1), g.Vector(shape[2], 2, 1)]);
        p.Check(p.Loss(wide), "x", "y");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Normalizations(int seed)
    {
        var p = new GradientProblem(seed);
        var shape = p.Shape(4);
        var c = shape[1];
        var batch = p.Graph.Add(
            "BatchNormalization",
            [p.Input("x", shape), p.Input("scale", [c]), p.Input("shift", [c]), p.Input("mean", [c]), p.Input("variance", [c], 0.5, 2)]);
        p.Check(p.Loss(batch), "x", "scale", "shift");

        foreach (var axis in new[] { 1, 2, -1 })
        {
            var q = new GradientProblem(seed);
            long[] whole = [2, 1 + q.Size(3), 2 + q.Size(3)];
            long[] inner = whole[(axis < 0 ? axis + 3 : axis)..];
            var layer = q.Graph.Add("LayerNormalization", [q.Input("x", whole), q.Input("scale", inner), q.Input("shift", inner)], NodeAttribute.Int("axis", axis));
            q.Check(q.Loss(layer), "x", "scale", "shift");
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Selections(int seed)
    {
        var p = new GradientProblem(seed);
        var g = p.Graph;
        var shape = p.Shape(3);
        var x = p.Input("x", [shape[0] + 1, shape[1] + 3, shape[2] + 2]);
        var padded = g.Add("Dropout", [g.Pad(g.Cast(x, ElementType.Float32), [0, seed % 3, 1, 1, 0, seed % 2])]);
        var sliced = g.Slice(padded, [0, 1, 2], [1, -2, 0], [int.MaxValue, int.MinValue, -1], [1, -1 - (seed % 2), 1 + (seed % 3)]);
        var indices = g.Constant(Tensor.FromLongs("picks", [2, 2], [0, -1, 0, 1 - (seed % 2)]));
        p.Check(p.Loss(g.Add("Gather", [sliced, indices], NodeAttribute.Int("axis", (seed % 2) - 1 == 0 ? 1 : -3 + (3 * (seed % 4 == 0 ? 1 : 0))))), "x");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Resizing_by_repetition(int seed)
    {
        var p = new GradientProblem(seed);
        var factors = p.Graph.Constant(Tensor.FromFloats("factors", [4], [1, 1, p.Size(3), p.Size(3)]));
        p.Check(p.Loss(p.Graph.Add("Resize", [p.Input("x", p.Shape(4)), "", factors])), "x");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public void Pools(int seed)
    {
        foreach (var opType in new[] { "MaxPool", "AveragePool" })
        {
            var p = new GradientProblem(seed);
            long[] kernel = [p.Size(2) + 1, p.Size(2) + 1];
            NodeAttribute[] attributes =
            [
                NodeAttribute.Ints("kernel_shape", kernel), NodeAttribute.Ints("strides", p.Shape(2, 3)),
                NodeAttribute.Ints("pads", [.. Enumerable.Range(0, 4).Select(_ => p.Size(2) - 1)]),
                .. opType == "AveragePool" ? [NodeAttribute.Int("count_include_pad", seed % 2)] : new[] { NodeAttribute.Ints("dilations", p.Shape(2, 2)) },
            ];
            p.Check(p.Loss(p.Graph.Add(opType, [p.Input("x", [2, p.Size(2), 3 + p.Size(3), 3 + p.Size(3)])], attributes)), "x");
        }
    }

    [Fact]
    public void Every_operator_of_the_supported_networks_has_a_rule()
    {
        string[] named =
        [
            "Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Relu", "Clip", "LeakyRelu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Erf",
            "Softmax", "LogSoftmax", "LayerNormalization", "BatchNormalization", "MaxPool", "AveragePool", "GlobalAveragePool", "Concat", "Split", "Slice", "Pad",
            "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Gather", "ReduceMean", "ReduceSum", "Resize", "Round", "Floor", "Neg", "Abs", "Pow",
            "Sqrt", "Exp", "Log", "Reciprocal", "Min", "Max", "Where", "Expand", "Cast", "Identity", "Dropout", "QuantizeLinear",
            "DequantizeLinear",
        ];

        Assert.Empty(named.Except(Onnx.Gradients.GradientRules.Operators));
    }

    private static long[] Shrunk(GradientProblem p, long[] shape) =>
        [.. shape.Select(d => p.Random.Next(3) == 0 ? 1 : d).Skip(p.Random.Next(3))];
}
