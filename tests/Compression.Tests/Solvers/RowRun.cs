using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>One row through one elimination, with everything that happened on the way.</summary>
internal sealed record RowRun(double[] After, int[] Order, double[] Losses, IReadOnlyList<Rescue> Rescues)
{
    public static RowRun Of(SmallLayer layer, IRowMethod method, int row = 0, bool startsPruned = false, int unit = 1, double damping = 0)
    {
        var input = layer.Input with { StartsPruned = startsPruned, Damping = damping };
        var rescues = new RescueLog();
        using var systems = new RowSystems(input, unit, rescues);
        using var engine = new RowEngine(input, rescues);
        var before = new double[input.Columns];
        var after = new double[input.Columns];
        var order = new int[input.Columns / unit];
        var losses = new double[order.Length];
        systems.Load(row, before);
        var system = systems.For(row, before, CancellationToken.None);
        var places = system.Columns.Length == 0 && !startsPruned ? input.Columns : system.Columns.Length;
        var steps = engine.Eliminate(method, system, before, after, order.AsSpan(0, places / unit), losses, CancellationToken.None);
        return new(after, order[..steps], losses[..steps], rescues.ToList());
    }
}
