using System.Collections.Concurrent;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

/// <summary>Computes every unit by hashing its inputs; deterministic, and remembers what it computed.</summary>
/// <param name="before">Called before each unit; may throw.</param>
internal sealed class EchoRunner(Func<WorkUnit, CancellationToken, Task>? before = null) : IUnitRunner
{
    private readonly ConcurrentQueue<WorkUnit> _ran = [];

    public IReadOnlyList<WorkUnit> Ran => [.. _ran];

    public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
    {
        if (before is not null)
            await before(unit, cancellationToken);
        var inputs = new List<ReadOnlyMemory<byte>>();
        foreach (var input in unit.Inputs)
            inputs.Add(await context.ReadAsync(input.Blob, cancellationToken));
        foreach (var role in EchoOutputs.Roles(unit))
            await context.WriteAsync(role, EchoOutputs.Content(unit, role, inputs), cancellationToken);
        _ran.Enqueue(unit);
        return EchoOutputs.Metrics(unit);
    }
}
