using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Worker.Leasing;

/// <summary>Is told what a worker does, from any thread; must neither wait nor throw.</summary>
public interface IWorkerObserver
{
    public void Started(Lease lease);

    /// <param name="isTold">Whether the coordinator heard of it and took it; a result that it did not take is not used.</param>
    public void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold);

    /// <summary>Something that a person may want to know.</summary>
    /// <param name="kind">For example <c>out-of-memory</c>, <c>disk-full</c>, <c>server-lost</c>, <c>draining</c>.</param>
    public void Noted(string kind, string message);
}
