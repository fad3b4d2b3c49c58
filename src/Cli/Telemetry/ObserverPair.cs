using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Cli.Telemetry;

/// <summary>Tells two what a worker does.</summary>
internal sealed class ObserverPair(IWorkerObserver first, IWorkerObserver second) : IWorkerObserver
{
    public void Started(Lease lease)
    {
        first.Started(lease);
        second.Started(lease);
    }

    public void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold)
    {
        first.Ended(lease, outcome, time, isTold);
        second.Ended(lease, outcome, time, isTold);
    }

    public void Noted(string kind, string message)
    {
        first.Noted(kind, message);
        second.Noted(kind, message);
    }
}
