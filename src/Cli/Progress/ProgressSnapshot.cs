namespace Orchestrator.Cli.Progress;

/// <summary>How far a job is.</summary>
/// <param name="Phase">What is going on, in a word or two.</param>
/// <param name="Done">Units with a commit, reused ones included.</param>
/// <param name="CostDone">Nominal operations of the units that are done.</param>
/// <param name="CostReused">Part of <paramref name="CostDone"/> that earlier runs had committed.</param>
/// <param name="Current">A layer that is being worked on.</param>
/// <param name="Things">What is counted.</param>
internal sealed record ProgressSnapshot(string Phase, int Done, int Total, int Reused, double CostDone, double CostReused, double CostTotal, string? Current, string Things = "units")
{
    /// <summary>The remaining time as the job itself tells it; null: it is worked out from what is seen.</summary>
    public double? SecondsLeft { get; init; }

    /// <summary>Share of the nominal work, 0 to 1.</summary>
    public double Fraction => Total > 0 && Done >= Total ? 1 : CostTotal > 0 ? Math.Clamp(CostDone / CostTotal, 0, 1) : Total > 0 ? (double)Done / Total : 0;
}
