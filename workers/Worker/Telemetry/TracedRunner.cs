using System.Diagnostics;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Telemetry;

/// <summary>Traces what a unit does below its attempt: reading, computing, writing.</summary>
public sealed class TracedRunner(IUnitRunner inner, WorkerInstruments instruments) : IUnitRunner, IReclaimable
{
    public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
    {
        if (Activity.Current is not { } attempt || !instruments.Spans.HasListeners())
            return await inner.RunAsync(unit, context, cancellationToken);
        using var span = instruments.Spans.StartActivity("compute", ActivityKind.Internal, attempt.Context);
        return await inner.RunAsync(unit, new TracedContext(context, instruments.Spans, attempt.Context), cancellationToken);
    }

    public void Reclaim() => (inner as IReclaimable)?.Reclaim();

    /// <param name="attempt">Reads and writes are the attempt's, beside the computation that waits for them.</param>
    private sealed class TracedContext(IUnitContext inner, ActivitySource spans, ActivityContext attempt) : IUnitContext
    {
        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken)
        {
            using var span = Start("read", "orchestrator.bytes", blob.Length);
            return await inner.ReadAsync(blob, cancellationToken);
        }

        public async ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken)
        {
            using var span = Start("read", "orchestrator.bytes", blob.Length);
            return await inner.ReadOnceAsync(blob, cancellationToken);
        }

        public string FileOf(BlobRef blob)
        {
            using var span = Start("read", "orchestrator.bytes", blob.Length);
            return inner.FileOf(blob);
        }

        public async Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            using var span = Start("write", "orchestrator.role", role);
            await inner.WriteAsync(role, content, cancellationToken);
        }

        public async Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
        {
            using var span = Start("write", "orchestrator.role", role);
            await inner.WriteAsync(role, write, cancellationToken);
        }

        public async Task<UnitState?> ReadStateAsync(CancellationToken cancellationToken)
        {
            using var span = Start("read", "orchestrator.role", "state");
            return await inner.ReadStateAsync(cancellationToken);
        }

        public async Task WriteStateAsync(UnitState state, CancellationToken cancellationToken)
        {
            using var span = Start("write", "orchestrator.role", "state");
            await inner.WriteStateAsync(state, cancellationToken);
        }

        public void Report(double fraction) => inner.Report(fraction);

        private Activity? Start(string name, string tag, object value) => spans.StartActivity(name, ActivityKind.Client, attempt)?.SetTag(tag, value);
    }
}
