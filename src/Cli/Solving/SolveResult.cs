using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Solving;

/// <summary>What <c>orc solve --json</c> prints. Field names are a contract (design.md section 8).</summary>
/// <param name="Loss">½·Σ rows (ΔW·H·ΔWᵀ) on the undamped Hessian.</param>
/// <param name="RelativeLoss">Loss over that of all-zero weights; null where that is 0.</param>
/// <param name="Sparsity">Fraction of zeros.</param>
/// <param name="Seconds">Computation, files not counted.</param>
internal sealed record SolveResult(
    string Method, int Rows, int Columns, double Loss, double? RelativeLoss, double Sparsity, double Seconds, IReadOnlyList<Rescue> Rescues);

/// <summary>What <c>orc solve --levels --json</c> prints.</summary>
/// <param name="ZeroLoss">The loss of all-zero weights.</param>
/// <param name="Seconds">Computation, files not counted.</param>
internal sealed record LevelsResult(
    string Method, int Rows, int Columns, double ZeroLoss, IReadOnlyList<LevelResult> Levels, double Seconds, IReadOnlyList<Rescue> Rescues);

/// <param name="Level">The sparsity asked for.</param>
/// <param name="Sparsity">Fraction of zeros: whole weights or blocks, so never below the level.</param>
/// <param name="Loss">½·Σ rows (ΔW·H·ΔWᵀ) on the undamped Hessian.</param>
/// <param name="RelativeLoss">Loss over that of all-zero weights; null where that is 0.</param>
internal sealed record LevelResult(double Level, double Sparsity, double Loss, double? RelativeLoss);
