using System.Numerics;

namespace Orchestrator.Numerics.Simd;

/// <summary>
/// One vector width as a set of operations on <typeparamref name="V"/>. Kernels are written once, generic over an
/// implementation, and the JIT compiles them per width with every call inlined.
/// </summary>
/// <remarks>
/// Every operation is exact IEEE per element, so a kernel that never sums across lanes returns the same bits at every width.
/// </remarks>
internal unsafe interface ISimd<T, V>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where V : unmanaged
{
    /// <summary>Elements in a vector.</summary>
    static abstract int Count { get; }

    /// <summary>0, 1, 2, … </summary>
    static abstract V Iota { get; }

    static abstract V Load(T* source);

    static abstract void Store(T* destination, V value);

    static abstract V Broadcast(T value);

    static abstract V Add(V left, V right);

    static abstract V Subtract(V left, V right);

    static abstract V Multiply(V left, V right);

    static abstract V Divide(V left, V right);

    /// <summary>left · right + addend with one rounding.</summary>
    static abstract V MultiplyAdd(V left, V right, V addend);

    /// <summary>addend − left · right with one rounding.</summary>
    static abstract V MultiplySubtractFrom(V left, V right, V addend);

    /// <summary>The smaller, for operands that are not NaN.</summary>
    static abstract V Min(V left, V right);

    /// <summary>The larger, for operands that are not NaN.</summary>
    static abstract V Max(V left, V right);

    /// <summary>To the nearest integer, halves to even.</summary>
    static abstract V Round(V value);

    /// <summary>All bits set where left &lt; right; clear where either is NaN.</summary>
    static abstract V LessThan(V left, V right);

    /// <summary>All bits set where not greater than zero, NaN included.</summary>
    static abstract V NotPositive(V value);

    /// <summary>Bitwise or of two masks.</summary>
    static abstract V Or(V left, V right);

    /// <summary>The elements of <paramref name="whenSet"/> where the mask is set, of <paramref name="otherwise"/> elsewhere.</summary>
    static abstract V Select(V mask, V whenSet, V otherwise);

    /// <summary>Whether any element of a mask is set.</summary>
    static abstract bool Any(V mask);

    /// <summary>
    /// Moves 32-bit words: word i of the result is word indices[i] of the value. Elements of 64 bits take two indices each.
    /// </summary>
    static abstract V Permute(V value, int* indices);
}
