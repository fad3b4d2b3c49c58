namespace Orchestrator.Silo.Jobs;

/// <summary>That a job shall run: what another silo starts it again by. There is none for a job that nobody has started or that has ended.</summary>
/// <param name="Generation">Of the commits of the run that was started.</param>
/// <param name="Run">Its number; an end record of it means that there is nothing left to do.</param>
/// <param name="Cancel">Why it shall end instead of going on; null where it shall go on.</param>
internal sealed record RunningJob(int Generation, int Run, string? Cancel)
{
    public const int CurrentSchema = 1;

    public RunningJob()
        : this(0, 0, null)
    {
    }
}
