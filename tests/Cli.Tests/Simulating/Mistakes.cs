using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.Seeds;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Tests.Simulating;

/// <summary>Mistakes that a coordinator could make, put in to see them caught.</summary>
internal static class Mistakes
{
    private const double Faults = 0.05;

    /// <summary>A commit that is there already is written once more.</summary>
    public static SimulationHooks CommitsOverwritten { get; } = new() { Store = store => new Overwriting(store) };

    /// <summary>A completion that comes after its lease ended is used all the same.</summary>
    public static SimulationHooks NoFence { get; } = new() { Scheduler = (scheduler, owner, jobs) => new Unfenced(scheduler, owner, jobs) };

    /// <summary>Beside each commit a status is written, and it is the status that is believed.</summary>
    public static SimulationHooks StatusBeside { get; } = new() { Store = store => new Statuses(store) };

    /// <summary>A standby that takes over leaves the term as it was.</summary>
    public static SimulationHooks TermKept { get; } = new() { ServerStore = (store, _) => new SameTerm(store) };

    /// <summary>A pause is answered, and written a while later.</summary>
    public static SimulationHooks PauseUnwritten { get; } = new() { ServerStore = (store, clock) => new LateWishes(store, clock) };

    /// <summary>A worker goes on from the state before the newest as if it were the newest.</summary>
    public static SimulationHooks StateBefore { get; } = new() { WorkerStore = store => new StatesBefore(store) };

    /// <summary>A worker goes on from a damaged state as if it were sound.</summary>
    public static SimulationHooks DamagedStates { get; } = new() { WorkerStore = store => new Resealing(store) };

    /// <summary>The first seed that breaks a promise.</summary>
    public static SeedResult FirstCaught(SimulationHooks hooks, int seeds) => Enumerable.Range(1, seeds)
        .Select(seed => SeedRun.Run((ulong)seed, Faults, hooks))
        .FirstOrDefault(result => result.Violation is not null) ?? throw new Xunit.Sdk.XunitException($"{seeds} seeds did not catch the mistake.");

    private static bool IsCommit(string name) => name.Contains("/commits/", StringComparison.Ordinal) && !BlobName.IsHead(name);

    private class Passing(IBlobStore inner) : IBlobStore
    {
        protected IBlobStore Inner => inner;

        public virtual Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => inner.ReadAsync(name, cancellationToken);

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

        public virtual Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.CreateAsync(name, content, cancellationToken);

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) => inner.CreateAsync(name, write, cancellationToken);

        public virtual Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => inner.ReplaceAsync(name, content, etag, cancellationToken);

        public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);

        public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);
    }

    private static bool IsState(string name) => name.Contains("/states/", StringComparison.Ordinal);

    private sealed class StatesBefore(IBlobStore inner) : Passing(inner)
    {
        public override Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
        {
            var digits = name[^6..];
            return base.ReadAsync(IsState(name) && int.Parse(digits) is > 1 and var number ? $"{name[..^6]}{number - 1:D6}" : name, cancellationToken);
        }
    }

    private sealed class Resealing(IBlobStore inner) : Passing(inner)
    {
        public override async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
        {
            if (await base.ReadAsync(name, cancellationToken) is not { } blob || !IsState(name))
                return await base.ReadAsync(name, cancellationToken);
            var content = blob.Content.ToArray();
            BitConverter.TryWriteBytes(content, 1);
            SHA256.HashData(content.AsSpan(0, content.Length - SHA256.HashSizeInBytes), content.AsSpan(content.Length - SHA256.HashSizeInBytes));
            return blob with { Content = content };
        }
    }

    private sealed class Overwriting(IBlobStore inner) : Passing(inner)
    {
        public override async Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            if (await base.CreateAsync(name, content, cancellationToken))
                return true;
            if (!IsCommit(name))
                return false;
            await Inner.DeleteAsync(name, cancellationToken);
            return await base.CreateAsync(name, content, cancellationToken);
        }
    }

    private sealed class Statuses(IBlobStore inner) : Passing(inner)
    {
        public override async Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            if (IsCommit(name))
                await Inner.CreateAsync(StatusOf(name), content, cancellationToken);
            return await base.CreateAsync(name, content, cancellationToken);
        }

        public override async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) =>
            IsCommit(name) && await base.ReadAsync(StatusOf(name), cancellationToken) is { } status ? status : await base.ReadAsync(name, cancellationToken);

        private static string StatusOf(string commit) => commit.Replace("/commits/", "/statuses/", StringComparison.Ordinal);
    }

    private sealed class SameTerm(IBlobStore inner) : Passing(inner)
    {
        private ServerHead? _seen;
        private long? _kept;

        public override async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
        {
            var blob = await base.ReadAsync(name, cancellationToken);
            if (name == BlobNames.ServerHead && blob is not null)
                _seen = await HeadOf(blob.Content);
            return blob;
        }

        public override async Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
        {
            if (name == BlobNames.ServerHead && await HeadOf(content) is { } head)
            {
                if (_seen is { } seen && seen.Holder != head.Holder)
                    _kept = seen.Term;
                content = await ContentOf(head with { Term = _kept ?? head.Term });
            }

            return await base.ReplaceAsync(name, content, etag, cancellationToken);
        }

        private static async Task<ServerHead?> HeadOf(ReadOnlyMemory<byte> content)
        {
            var aside = new MemoryBlobStore();
            await aside.ReplaceAsync(BlobNames.ServerHead, content, null, CancellationToken.None);
            return (await new ClusterHeads(aside, "test").ReadServerAsync(CancellationToken.None)).Head;
        }

        private static async Task<ReadOnlyMemory<byte>> ContentOf(ServerHead head)
        {
            var aside = new MemoryBlobStore();
            await new ClusterHeads(aside, "test").ReplaceServerAsync(head, null, CancellationToken.None);
            return (await aside.ReadAsync(BlobNames.ServerHead, CancellationToken.None))!.Content;
        }
    }

    private sealed class LateWishes(IBlobStore inner, TimeProvider clock) : Passing(inner)
    {
        private static readonly TimeSpan s_late = TimeSpan.FromSeconds(10);

        public override async Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
        {
            if (!name.StartsWith($"{BlobNames.Cluster}/jobs/", StringComparison.Ordinal) || !BlobName.IsHead(name) || !Encoding.UTF8.GetString(content.Span).Contains("\"wish\":\"pause\"", StringComparison.Ordinal))
                return await base.ReplaceAsync(name, content, etag, cancellationToken);
            // Kept alive by the world's own queue of timers.
            _ = clock.CreateTimer(_ => Inner.ReplaceAsync(name, content, etag, CancellationToken.None), null, s_late, Timeout.InfiniteTimeSpan);
            return "later";
        }
    }

    private sealed class Unfenced(ISchedulerGrain inner, Func<UnitOwner, IUnitOwnerGrain> ownerOf, IReadOnlyList<string> jobs) : ISchedulerGrain
    {
        private readonly Dictionary<Epoch, WorkUnit> _units = [];

        public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken) => inner.OfferAsync(offers, cancellationToken);

        public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) => inner.WithdrawAsync(owner, cancellationToken);

        public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken) => inner.AcknowledgeAsync(epochs, cancellationToken);

        public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) => inner.DescribeAsync(question, cancellationToken);

        public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) => inner.FindLeaseAsync(worker, epoch, cancellationToken);

        public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
        {
            var leases = await inner.LeaseAsync(request, cancellationToken);
            foreach (var lease in leases)
                _units[lease.Epoch] = lease.Unit;
            return leases;
        }

        public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) => inner.HeartbeatAsync(heartbeat, cancellationToken);

        public async Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
        {
            if (await inner.CompleteAsync(epoch, outcome, cancellationToken))
                return true;
            var parts = _units.TryGetValue(epoch, out var unit) ? unit.Id.Split('/') : [];
            if (parts is not ["layer", var layer, ..])
                return false;
            foreach (var job in jobs)
            {
                var owner = new UnitOwner(OwnerKind.Layer, GrainKeys.Layer(SimulatedJob.Tenant, job, int.Parse(layer)));
                await ownerOf(owner).AttemptsEndedAsync([new AttemptEnd(owner, unit!, epoch, "late", outcome)], cancellationToken);
            }

            return true;
        }
    }
}
