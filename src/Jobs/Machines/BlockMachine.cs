using System.Collections.Immutable;

namespace Orchestrator.Jobs.Machines;

/// <summary>How far a block is: which of its layers still run. Its layers are solved independently of each other.</summary>
public sealed record BlockState
{
    /// <summary>Indices of the layers that have not ended.</summary>
    public ImmutableSortedSet<int> Running { get; init; } = [];

    public bool IsStopped { get; init; }
}

/// <summary>What can happen to a block. A closed set.</summary>
public abstract record BlockEvent
{
    private BlockEvent()
    {
    }

    public sealed record LayerStarted(int Layer) : BlockEvent;

    /// <summary>Finished or given up.</summary>
    public sealed record LayerEnded(int Layer) : BlockEvent;

    /// <summary>A result blob of a layer is damaged; the layer runs again.</summary>
    public sealed record LayerDamaged(int Layer) : BlockEvent;

    public sealed record Stopped : BlockEvent;
}

/// <summary>What the block's owner has to do. A closed set.</summary>
public abstract record BlockEffect
{
    private BlockEffect()
    {
    }

    public sealed record StartLayer(int Layer) : BlockEffect;

    public sealed record RepairLayer(int Layer) : BlockEffect;

    /// <summary>Tell the model that a layer has ended.</summary>
    public sealed record ReportLayer(int Layer) : BlockEffect;

    public sealed record StopLayers : BlockEffect;
}

public readonly record struct BlockStep(BlockState State, ImmutableArray<BlockEffect> Effects);

/// <summary>A block's decisions.</summary>
public static class BlockMachine
{
    public static BlockStep Step(BlockState state, BlockEvent happened) => happened switch
    {
        BlockEvent.Stopped when !state.IsStopped => new BlockStep(state with { IsStopped = true }, [new BlockEffect.StopLayers()]),
        _ when state.IsStopped => new BlockStep(state, []),
        // Also to a running layer: it may wait for statistics that were made again.
        BlockEvent.LayerStarted e =>
            new BlockStep(state with { Running = state.Running.Add(e.Layer) }, [new BlockEffect.StartLayer(e.Layer)]),
        BlockEvent.LayerDamaged e when !state.Running.Contains(e.Layer) =>
            new BlockStep(state with { Running = state.Running.Add(e.Layer) }, [new BlockEffect.RepairLayer(e.Layer)]),
        BlockEvent.LayerEnded e when state.Running.Contains(e.Layer) =>
            new BlockStep(state with { Running = state.Running.Remove(e.Layer) }, [new BlockEffect.ReportLayer(e.Layer)]),
        _ => new BlockStep(state, []),
    };
}
