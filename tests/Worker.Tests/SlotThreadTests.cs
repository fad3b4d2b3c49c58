using Orchestrator.Checkpoints;
using Orchestrator.Compression.Data;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Tests.Units;

namespace Orchestrator.Worker.Tests;

/// <summary>Units compute on the thread of their slot, and whatever they wait for there can go on.</summary>
public sealed class SlotThreadTests : IDisposable
{
    private const int Bits = 2;

    /// <summary>Enough for one state (<c>Reconstructor</c>: one every 250 steps).</summary>
    private const int Iterations = 260;

    /// <summary>Far above what any of it takes: a test that hangs has failed.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private static readonly BlobRef s_blob = new("local/inputs/blob", SampleJobs.Digest('b'), 1);

    private readonly SlotThread _slot = new("slot");
    private readonly SlotThread _other = new("other");
    private readonly RunUnits _units = new(TinyGemm.Model());

    public void Dispose()
    {
        _units.Dispose();
        _other.Dispose();
        _slot.Dispose();
    }

    [Fact]
    public async Task A_unit_computes_on_its_slots_thread_also_after_it_waited_and_leaves_states_that_are_written_elsewhere()
    {
        var slot = await _slot.RunAsync(() => Task.FromResult(Environment.CurrentManagedThreadId));
        var context = new WaitingContext(_units.Context);
        var spec = new ReconstructSpec(
            new GroupSpec("g", [new GroupLayer(new LayerRef(TinyGemm.Layer, 0), Bits, StartsPruned: false, IsGiven: false)]), ReconstructionPhase.Weights, Parameters(),
            TinyGemm.Samples, 8, BatchNormMode.Fold, new Preprocess());
        var unit = new WorkUnit { Id = "unit", Key = new string('a', 64), Kind = UnitKind.Reconstruct, Spec = spec, Inputs = [_units.Model, _units.Data, await CaptureAsync(spec.Group)], Profile = "test", Cost = 1 };

        _units.Runner.Reclaim();

        await _slot.RunAsync(() => _units.Runner.RunAsync(unit, context, CancellationToken.None)).WaitAsync(s_patience);

        Assert.Equal([1], _units.Context.States.Keys);
        // Reads begin and go on there, steps tell their progress, and what was computed is written from there.
        Assert.Equal(["read", "report", "write"], context.Threads.Select(seen => seen.What).Distinct().Order(StringComparer.Ordinal));
        Assert.All(context.Threads, seen => Assert.Equal(slot, seen.Thread));
    }

    [Fact]
    public async Task A_read_that_two_slots_wait_for_goes_on_when_the_one_that_asked_first_computes_something_else()
    {
        var cache = new BlobCache(long.MaxValue);
        var (asked, given) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        using var givenUp = new CancellationTokenSource();
        using var isRead = new ManualResetEventSlim();
        var first = _slot.RunAsync(async () =>
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.ReadAsync(s_blob, ReadAsync, givenUp.Token));
            return isRead.Wait(s_patience);
        });
        await asked.Task.WaitAsync(s_patience);
        var second = _other.RunAsync(() => cache.ReadAsync(s_blob, _ => throw new InvalidOperationException("It is being read."), CancellationToken.None));
        await givenUp.CancelAsync();
        given.SetResult();

        Assert.Equal([7], (await second.WaitAsync(s_patience)).ToArray());
        isRead.Set();
        Assert.True(await first);

        async Task<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob)
        {
            asked.SetResult();
            await given.Task;
            return new byte[] { 7 };
        }
    }

    private static ReconstructionParameters Parameters() => new()
    {
        Iterations = Iterations, Batch = 4, Rate = 1e-3, Seed = 0, Loss = ReconstructionLoss.Mse, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric,
        Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
    };

    private async Task<UnitInput> CaptureAsync(GroupSpec group)
    {
        var spec = new CaptureSpec(group, [], 0, TinyGemm.Samples, 8, ReconstructionLoss.Mse, BatchNormMode.Fold, new Preprocess());
        var unit = new WorkUnit { Id = "capture", Key = new string('c', 64), Kind = UnitKind.Statistics, Spec = spec, Inputs = [_units.Model, _units.Data], Profile = "test", Cost = 1 };
        await _units.Runner.RunAsync(unit, _units.Context, CancellationToken.None);
        return _units.Context.Output(Roles.Activations);
    }

    /// <summary>A store that never answers at once, and that notes where it is asked from.</summary>
    private sealed class WaitingContext(MemoryUnitContext inner) : IUnitContext
    {
        private readonly List<(string What, int Thread)> _threads = [];

        public IReadOnlyList<(string What, int Thread)> Threads
        {
            get
            {
                lock (_threads)
                    return [.. _threads];
            }
        }

        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken)
        {
            Note("read");
            await AnswerAsync();
            Note("read");
            return await inner.ReadAsync(blob, cancellationToken);
        }

        public ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken) => ReadAsync(blob, cancellationToken);

        public string FileOf(BlobRef blob) => inner.FileOf(blob);

        public async Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            Note("write");
            await AnswerAsync();
            await inner.WriteAsync(role, content, cancellationToken);
        }

        public async Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
        {
            Note("write");
            await AnswerAsync();
            await inner.WriteAsync(role, write, cancellationToken);
        }

        public Task<UnitState?> ReadStateAsync(CancellationToken cancellationToken) => inner.ReadStateAsync(cancellationToken);

        public async Task WriteStateAsync(UnitState state, CancellationToken cancellationToken)
        {
            await AnswerAsync();
            await inner.WriteStateAsync(state, cancellationToken);
        }

        public void Report(double fraction)
        {
            Note("report");
            inner.Report(fraction);
        }

        /// <summary>Comes from another thread, and goes on where it was waited for.</summary>
        private static async Task AnswerAsync()
        {
            await Task.Run(Thread.Yield);
            await Task.Yield();
        }

        private void Note(string what)
        {
            lock (_threads)
                _threads.Add((what, Environment.CurrentManagedThreadId));
        }
    }
}
