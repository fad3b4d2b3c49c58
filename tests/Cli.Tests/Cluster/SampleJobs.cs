using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

/// <summary>Jobs as a server tells of them.</summary>
internal static class SampleJobs
{
    public static readonly DateTimeOffset Noon = new(2026, 11, 25, 12, 0, 0, TimeSpan.Zero);

    public static JobView Running { get; } = new()
    {
        Id = "3f9a00000000000000000000000000aa",
        Tenant = "local",
        Name = "resnet.yaml",
        State = JobState.Running,
        Submitted = Noon,
        UnitsTotal = 40,
        UnitsDone = 10,
        UnitsReused = 4,
        Phase = "layers",
        Progress = 0.25,
        SecondsLeft = 90,
    };

    public static JobView Paused { get; } = Running with { Id = "3f9b00000000000000000000000000bb", Name = "decoder.yaml", State = JobState.Paused, Phase = null, SecondsLeft = null };

    public static JobView Succeeded { get; } = Running with
    {
        Id = "77aa00000000000000000000000000cc", Name = "decoder.yaml", State = JobState.Ended, Status = JobStatus.Succeeded, Ended = Noon.AddMinutes(3),
        UnitsDone = 40, Progress = 1, Phase = "ended", SecondsLeft = null,
    };

    public static JobView Failed { get; } = Succeeded with { Id = "88aa00000000000000000000000000dd", Name = "broken.yaml", Status = JobStatus.Failed, Reason = "unit 7 failed five times" };

    public static JobView[] All { get; } = [Running, Paused, Succeeded, Failed];
}
