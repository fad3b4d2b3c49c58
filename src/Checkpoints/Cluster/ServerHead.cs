namespace Orchestrator.Checkpoints.Cluster;

/// <summary>Which server is the active one: a head that it renews under its ETag and that another server replaces when it has not changed for long enough.</summary>
/// <param name="Term">Raised at every take-over.</param>
/// <param name="Name">What people call the server.</param>
/// <param name="Address">Where clients and workers reach it.</param>
/// <param name="Holder">Unlike that of any other process.</param>
/// <param name="Renewal">Writes of this term; makes every write another one.</param>
/// <param name="IsReleased">The holder has stopped acting: whoever comes next need not wait.</param>
public sealed record ServerHead(long Term, string Name, Uri Address, string Holder, long Renewal, bool IsReleased)
{
    public const int CurrentSchema = 1;
}
