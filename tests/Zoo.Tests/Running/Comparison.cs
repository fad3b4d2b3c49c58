namespace Orchestrator.Zoo.Tests.Running;

/// <summary>Outputs of one model beside those of another.</summary>
internal static class Comparison
{
    /// <summary>Outputs that are small everywhere are held to this size: a saturated sigmoid is exact to the last bit of 1, not of its value.</summary>
    private const double SmallestSize = 1e-2;

    /// <summary>Null where names, types, shapes and bits are equal, otherwise the first difference.</summary>
    public static string? BitDifference(IReadOnlyList<Result> expected, IReadOnlyList<Result> actual) =>
        Difference(expected, actual, (e, a) => e.Bytes.AsSpan().SequenceEqual(a.Bytes) ? null : $"{e} has other bits, off by {RelativeError(e, a):e2}");

    /// <summary>Null where each real output lies within a relative error and every other is equal.</summary>
    public static string? Difference(IReadOnlyList<Result> expected, IReadOnlyList<Result> actual, double tolerance) => Difference(expected, actual, (e, a) =>
        e.Reals.Length == 0 && !e.Bytes.AsSpan().SequenceEqual(a.Bytes) ? $"{e} has other values"
        : RelativeError(e, a) is var error && !(error <= tolerance) ? $"{e} is off by {error:e4}, more than {tolerance:e1}"
        : null);

    /// <summary>‖a − e‖ / ‖e‖, or over √n·0.01 where that is more; elements that are equal, infinite or NaN in both, count as exact.</summary>
    public static double RelativeError(Result expected, Result actual)
    {
        var (difference, norm) = (0.0, 0.0);
        foreach (var (e, a) in expected.Reals.Zip(actual.Reals))
        {
            if (e.Equals(a))
                norm += double.IsFinite(e) ? e * e : 0;
            else
                (difference, norm) = (difference + ((e - a) * (e - a)), norm + (e * e));
        }

        return difference == 0 ? 0 : Math.Sqrt(difference / Math.Max(norm, expected.Reals.Length * SmallestSize * SmallestSize));
    }

    /// <summary>Cosine between all real outputs taken together.</summary>
    public static double Cosine(IReadOnlyList<Result> expected, IReadOnlyList<Result> actual)
    {
        var (dot, own, other) = (0.0, 0.0, 0.0);
        foreach (var (e, a) in expected.SelectMany(r => r.Reals).Zip(actual.SelectMany(r => r.Reals)))
            (dot, own, other) = (dot + (e * a), own + (e * e), other + (a * a));
        return dot / Math.Sqrt(own * other);
    }

    private static string? Difference(IReadOnlyList<Result> expected, IReadOnlyList<Result> actual, Func<Result, Result, string?> compare)
    {
        if (!expected.Select(e => e.ToString()).SequenceEqual(actual.Select(a => a.ToString())))
            return $"{string.Join(", ", expected)} became {string.Join(", ", actual)}";
        return expected.Zip(actual, compare).FirstOrDefault(difference => difference is not null);
    }
}
