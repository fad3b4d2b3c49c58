namespace Orchestrator.Jobs.Units;

/// <summary>What the solvers compute in which precision; estimates follow it.</summary>
public static class SolverPrecision
{
    /// <summary>OBQ computes rows of up to this many active columns in double from the start.</summary>
    public const int ObqDoubleColumns = 1024;
}
