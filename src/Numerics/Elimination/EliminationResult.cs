namespace Orchestrator.Numerics;

/// <summary>How the elimination of one row ended.</summary>
public enum EliminationStatus
{
    /// <summary>All steps asked for were made, or no eligible column was left.</summary>
    Completed = 0,

    /// <summary>
    /// A diagonal element of an eligible column was not positive and finite: precision is used up. Nothing of the outputs is
    /// to be trusted; the caller reruns the row in double from a refactorised inverse.
    /// </summary>
    LostDefiniteness = 1,
}

/// <summary>What the elimination of one row reports.</summary>
/// <param name="Status">How it ended.</param>
/// <param name="Steps">Steps made: the valid length of order and losses.</param>
public readonly record struct EliminationResult(EliminationStatus Status, int Steps)
{
    public bool Completed => Status == EliminationStatus.Completed;
}
