using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What the store really holds. Sees every change as it happens, by whom, and tells the witness; now and then a blob is stored damaged.</summary>
internal sealed class SimulatedTruth(SimulatedWorld world, Witness witness, FaultPlan faults, double damage)
{
    /// <summary>How much oftener states of units are damaged: they are read only where an attempt broke off, and then only the newest.</summary>
    private const double DamagedStates = 12;

    private readonly MemoryBlobStore _blobs = new();

    /// <summary>The content itself, without faults or witness.</summary>
    public IBlobStore Content => _blobs;

    /// <summary>The store for one operation of a process.</summary>
    /// <param name="asked">When the process asked for it.</param>
    public IBlobStore For(SimulatedProcess process, TimeSpan asked) => new Operation(this, process, asked);

    /// <summary>What is stored of it: a bit is flipped where damage strikes. Heads are left alone: file systems and clouds replace them in place.</summary>
    private ReadOnlyMemory<byte> Stored(string name, ReadOnlyMemory<byte> content)
    {
        var chance = damage * (StoredName.Of(name).Kind == StoredKind.State ? DamagedStates : 1);
        if (content.IsEmpty || faults.Strike("damage", chance) is not { } dice)
            return content;
        var copy = content.ToArray();
        copy[dice.Next(copy.Length)] ^= (byte)(1 << dice.Next(8));
        world.Trace.Note(world.Now, "store", $"damaged {name}");
        witness.Damaged(name);
        return copy;
    }

    private sealed class Operation(SimulatedTruth truth, SimulatedProcess process, TimeSpan asked) : IBlobStore
    {
        public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => truth._blobs.ReadAsync(name, cancellationToken);

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => truth._blobs.OpenReadAsync(name, cancellationToken);

        public async Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            if (await truth._blobs.ReadAsync(name, cancellationToken) is not null)
                return false;
            await truth._blobs.CreateAsync(name, truth.Stored(name, content), cancellationToken);
            truth.World.Trace.Note(truth.World.Now, process.Name, $"created {name}");
            var head = CommitDocument.HeadOf(name) is { } log ? (await truth._blobs.ReadAsync(log, cancellationToken))?.Content : null;
            truth.Witness.Created(process, asked, name, content, head);
            return true;
        }

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
            throw new NotSupportedException("Content is gathered on the caller's side.");

        public async Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
        {
            var version = await truth._blobs.ReplaceAsync(name, content, etag, cancellationToken);
            if (version is not null)
                truth.Witness.Replaced(process, name);
            return version;
        }

        public async Task DeleteAsync(string name, CancellationToken cancellationToken)
        {
            if (await truth._blobs.ReadAsync(name, cancellationToken) is null)
                return;
            await truth._blobs.DeleteAsync(name, cancellationToken);
            truth.World.Trace.Note(truth.World.Now, process.Name, $"deleted {name}");
            truth.Witness.Deleted(process, name);
        }

        public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
        {
            await foreach (var entry in truth._blobs.ListAsync(prefix, cancellationToken))
                yield return entry;
        }
    }

    private SimulatedWorld World => world;

    private Witness Witness => witness;
}
