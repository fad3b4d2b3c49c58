namespace Orchestrator.Worker.Leasing;

/// <summary>Keeps things for speed alone.</summary>
public interface IReclaimable
{
    /// <summary>Lets go of all that is not in use.</summary>
    public void Reclaim();
}
