using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli;

/// <summary>What scripts branch on (design.md section 8).</summary>
internal static class ExitCodes
{
    public const int Success = 0;

    /// <summary>The job failed; a report was written.</summary>
    public const int Failed = 1;

    /// <summary>The input was wrong; nothing was written.</summary>
    public const int WrongInput = 2;

    /// <summary>The best model was delivered but misses its goal.</summary>
    public const int GoalMissed = 3;

    /// <summary>Ctrl-C; resumable.</summary>
    public const int Interrupted = 130;

    public static int Of(ReportStatus status) => status switch
    {
        ReportStatus.Succeeded => Success,
        ReportStatus.GoalMissed => GoalMissed,
        _ => Failed,
    };
}
