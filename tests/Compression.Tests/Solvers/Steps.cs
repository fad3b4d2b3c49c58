using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>Steps as the planner writes them.</summary>
internal static class Steps
{
    public static CompressStepSpec ExactObs(double sparsity, MaskSelection select = MaskSelection.Heap, double damping = 0) =>
        new() { Method = "exact-obs", Damping = damping, Sparsity = sparsity, Select = select };

    public static CompressStepSpec Block(int size, double sparsity, MaskSelection select = MaskSelection.Heap, double damping = 0) =>
        new() { Method = "block", Damping = damping, Size = size, Sparsity = sparsity, Select = select };

    public static CompressStepSpec Nm(int keep, int group, double damping = 0) =>
        new() { Method = "nm", Damping = damping, Keep = keep, Group = group };

    public static CompressStepSpec Obq(int bits, GridKind grid = GridKind.Mse, QuantizationScheme scheme = QuantizationScheme.Asymmetric, double damping = 0) =>
        new() { Method = "obq", Damping = damping, Bits = bits, Grid = grid, Scheme = scheme };

    public static CompressStepSpec Rtn(int bits, GridKind grid = GridKind.Mse, QuantizationScheme scheme = QuantizationScheme.Asymmetric) =>
        new() { Method = "rtn", Damping = 0, Bits = bits, Grid = grid, Scheme = scheme };

    public static CompressStepSpec Named(string name) => name switch
    {
        "exact-obs" => ExactObs(0.6),
        "block" => Block(2, 0.5),
        "nm" => Nm(2, 4),
        "obq" => Obq(3),
        "rtn" => Rtn(3),
        _ => throw new ArgumentException(name, nameof(name)),
    };
}
