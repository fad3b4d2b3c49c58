using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Interpreting;

internal static class LayoutOperators
{
    public static DoubleTensor? Run(Node node, DoubleTensor?[] inputs)
    {
        var x = inputs[0]!;
        return node.OpType switch
        {
            "Reshape" => Reshape(x, inputs[1]!.Longs()),
            "Flatten" => Reshape(x, [DoubleTensor.Count(x.Shape.Take((int)node.Int("axis", 1))), -1]),
            "Unsqueeze" => Unsqueeze(x, inputs[1]!.Longs()),
            "Squeeze" => x with { Shape = [.. x.Shape.Where((_, i) => !Axes(inputs[1]!.Longs(), x.Rank).Contains(i))] },
            "Transpose" => Transpose(x, node.Ints("perm") ?? [.. Enumerable.Range(0, x.Rank).Reverse().Select(i => (long)i)]),
            "Expand" => DoubleTensor.Build(DoubleTensor.Broadcast(x.Shape, inputs[1]!.Longs()), i => x.At(i)),
            "Concat" => Concat(inputs, node.Int("axis", 0)),
            "Slice" => Slice(x, inputs),
            "Gather" => Gather(x, inputs[1]!, node.Int("axis", 0)),
            "Pad" => Pad(x, inputs[1]!.Longs(), inputs.ElementAtOrDefault(2)?.Values[0] ?? 0),
            "Dropout" => x,
            // Whole factors only, as the gradient rule.
            "Resize" => DoubleTensor.Build(
                [.. x.Shape.Zip(inputs[2]!.Values, (d, f) => d * (long)f)], i => x.At([.. i.Select((v, a) => v / (long)inputs[2]!.Values[a])])),
            "ReduceSum" => Reduce(node, inputs, values => values.Sum()),
            "ReduceMean" => Reduce(node, inputs, values => values.Average()),
            "GlobalAveragePool" => Reduce(x, [.. Enumerable.Range(2, x.Rank - 2).Select(i => (long)i)], values => values.Average()),
            _ => null,
        };
    }

    public static DoubleTensor Transpose(DoubleTensor x, long[] permutation) =>
        DoubleTensor.Build([.. permutation.Select(p => x.Shape[p])], i =>
        {
            var from = new long[x.Rank];
            for (var axis = 0; axis < from.Length; axis++)
                from[permutation[axis]] = i[axis];
            return x.At(from);
        });

    /// <summary>The axes stay, with one element each.</summary>
    public static DoubleTensor Reduce(DoubleTensor x, long[] axes, Func<IEnumerable<double>, double> fold)
    {
        long[] inner = [.. x.Shape.Select((d, i) => axes.Contains(i) ? d : 1)];
        return DoubleTensor.Build([.. x.Shape.Select((d, i) => axes.Contains(i) ? 1 : d)], i =>
        {
            long[] start = [.. i];
            return fold(DoubleTensor.Indices(inner).Select(step => x.At([.. start.Zip(step, (a, b) => a + b)])));
        });
    }

    public static IReadOnlyList<DoubleTensor> Split(Node node, DoubleTensor?[] inputs)
    {
        var x = inputs[0]!;
        var axis = Axes([node.Int("axis", 0)], x.Rank)[0];
        var sizes = inputs.ElementAtOrDefault(1)?.Longs() ?? [.. node.Outputs.Select(_ => x.Shape[axis] / node.Outputs.Count)];
        var parts = new List<DoubleTensor>();
        var start = 0L;
        foreach (var size in sizes)
        {
            var from = start;
            parts.Add(DoubleTensor.Build([.. x.Shape.Select((d, i) => i == axis ? size : d)], i => x.At([.. i.Select((v, a) => a == axis ? v + from : v)])));
            start += size;
        }
        return parts;
    }

    private static DoubleTensor Reduce(Node node, DoubleTensor?[] inputs, Func<IEnumerable<double>, double> fold)
    {
        var x = inputs[0]!;
        var given = node.Ints("axes") ?? inputs.ElementAtOrDefault(1)?.Longs() ?? [];
        var axes = given.Length > 0 ? Axes(given, x.Rank) : [.. Enumerable.Range(0, x.Rank).Select(i => (long)i)];
        var kept = Reduce(x, axes, fold);
        return node.Int("keepdims", 1) != 0 ? kept : kept with { Shape = [.. kept.Shape.Where((_, i) => !axes.Contains(i))] };
    }

    private static long[] Axes(long[] axes, int rank) => [.. axes.Select(a => a < 0 ? a + rank : a)];

    private static DoubleTensor Reshape(DoubleTensor x, long[] shape)
    {
        long[] copied = [.. shape.Select((d, i) => d == 0 && x.Values.Length > 0 ? x.Shape[i] : d)];
        var known = DoubleTensor.Count(copied.Where(d => d >= 0));
        return x with { Shape = [.. copied.Select(d => d < 0 ? x.Values.Length / known : d)] };
    }

    private static DoubleTensor Unsqueeze(DoubleTensor x, long[] axes)
    {
        var shape = x.Shape.ToList();
        foreach (var axis in Axes(axes, x.Rank + axes.Length).Order())
            shape.Insert((int)axis, 1);
        return x with { Shape = [.. shape] };
    }

    private static DoubleTensor Concat(DoubleTensor?[] inputs, long axis)
    {
        var rank = inputs[0]!.Rank;
        var along = Axes([axis], rank)[0];
        var starts = new List<long> { 0 };
        foreach (var input in inputs)
            starts.Add(starts[^1] + input!.Shape[along]);
        return DoubleTensor.Build([.. inputs[0]!.Shape.Select((d, i) => i == along ? starts[^1] : d)], i =>
        {
            var part = starts.FindLastIndex(s => s <= i[along]);
            return inputs[part]!.At([.. i.Select((v, a) => a == along ? v - starts[part] : v)]);
        });
    }

    private static DoubleTensor Slice(DoubleTensor x, DoubleTensor?[] inputs)
    {
        var (starts, ends) = (inputs[1]!.Longs(), inputs[2]!.Longs());
        var axes = Axes(inputs.ElementAtOrDefault(3)?.Longs() ?? [.. starts.Select((_, i) => (long)i)], x.Rank);
        var steps = inputs.ElementAtOrDefault(4)?.Longs() ?? [.. starts.Select(_ => 1L)];
        var (from, step, shape) = (new long[x.Rank], Enumerable.Repeat(1L, x.Rank).ToArray(), x.Shape.ToArray());
        for (var i = 0; i < axes.Length; i++)
        {
            var size = x.Shape[axes[i]];
            var start = Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], 0, size - (steps[i] < 0 ? 1 : 0));
            var end = Math.Clamp(ends[i] < 0 ? ends[i] + size : ends[i], steps[i] < 0 ? -1 : 0, size);
            (from[axes[i]], step[axes[i]]) = (start, steps[i]);
            shape[axes[i]] = Math.Max(0, (long)Math.Ceiling((end - start) / (double)steps[i]));
        }
        return DoubleTensor.Build(shape, i => x.At([.. i.Select((v, a) => from[a] + (v * step[a]))]));
    }

    private static DoubleTensor Gather(DoubleTensor x, DoubleTensor indices, long axis)
    {
        var at = (int)Axes([axis], x.Rank)[0];
        return DoubleTensor.Build([.. x.Shape[..at], .. indices.Shape, .. x.Shape[(at + 1)..]], i =>
        {
            var pick = (long)indices.At(i.AsSpan(at, indices.Rank));
            return x.At([.. i[..at], pick < 0 ? pick + x.Shape[at] : pick, .. i[(at + indices.Rank)..]]);
        });
    }

    private static DoubleTensor Pad(DoubleTensor x, long[] pads, double filling) =>
        DoubleTensor.Build([.. x.Shape.Select((d, i) => d + pads[i] + pads[i + x.Rank])], i =>
        {
            long[] from = [.. i.Select((v, a) => v - pads[a])];
            return from.Zip(x.Shape, (v, d) => v >= 0 && v < d).All(inside => inside) ? x.At(from) : filling;
        });
}
