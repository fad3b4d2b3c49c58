using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Server.Tests.Nodes;

/// <summary>The worst that a deposed server can do: it never hears of it and goes on with everything, beside the active one.</summary>
public sealed class DeposedServerTests : IDisposable
{
    private static readonly TimeSpan s_while = TimeSpan.FromSeconds(20);

    private readonly MemoryBlobStore _store = new();
    private readonly List<VirtualNode> _nodes = [];

    public void Dispose() => _nodes.ForEach(n => n.Dispose());

    [Fact]
    public void A_server_that_goes_on_after_it_was_deposed_changes_nothing_of_what_comes_out()
    {
        var alone = new MemoryBlobStore();
        var only = Start(alone, "only");
        only.Submit(alone);
        var worker = Worker(alone, only);
        VirtualProcess.Pass(s_while * 6, worker.Process, only.Process);
        var expected = Outcome(only);

        var deposed = Start(new OwnServerHead(_store), "deposed");
        deposed.Submit(_store);
        var old = Worker(_store, deposed);
        old.Most = 3;
        VirtualProcess.Pass(s_while, old.Process, deposed.Process);
        var active = Start(_store, "active");
        var fresh = Worker(_store, active);
        old.Most = int.MaxValue;
        VirtualProcess.Pass(s_while * 12, old.Process, fresh.Process, deposed.Process, active.Process);

        Assert.True(old.Done > 3 && fresh.Done > 0, $"{old.Done} and {fresh.Done} units");
        Assert.All([Outcome(deposed), Outcome(active)], outcome => Assert.Equal(expected, outcome));
    }

    [Fact]
    public void A_wish_that_was_answered_is_not_undone_by_a_server_that_knows_an_older_one()
    {
        var deposed = Start(new OwnServerHead(_store), "deposed");
        deposed.Submit(_store);
        VirtualProcess.Pass(s_while, deposed.Process);
        var active = Start(_store, "active");
        VirtualProcess.Pass(s_while, active.Process, deposed.Process);

        Assert.Equal(JobStatus.Cancelled, active.Ask(a => a.Jobs.CancelAsync("local", Api.TestJob.Id, CancellationToken.None), deposed.Process).Status);
        // What the old one writes of its logs and its own head, it writes.
        VirtualProcess.Pass(s_while * 3, active.Process, deposed.Process);

        Assert.Equal((JobState.Ended, JobStatus.Cancelled), (active.View().State, active.View().Status));
        var next = Start(_store, "next");
        active.Stop();
        VirtualProcess.Pass(s_while, active.Process, next.Process, deposed.Process);
        Assert.Equal((JobState.Ended, JobStatus.Cancelled), (next.View().State, next.View().Status));
    }

    [Fact]
    public async Task A_wish_that_comes_to_a_server_whose_right_has_ended_is_not_written()
    {
        var isAway = false;
        var node = Start(new FaultyBlobStore(_store, (_, _, name) => isAway && name == BlobNames.ServerHead ? StoreFault.Fail : StoreFault.None), "deposed");
        node.Submit(_store);
        var server = node.Node.Active();
        isAway = true;
        VirtualProcess.Pass(s_while, node.Process);
        Assert.Null(node.Node.TryActive());

        var asked = node.Process.Start(() => server.Jobs.PauseAsync("local", Api.TestJob.Id, CancellationToken.None));
        VirtualProcess.Pass(s_while, node.Process);

        Assert.Equal("standby", Assert.IsType<RefusedException>(asked.Exception!.InnerException).Code);
        var head = await new ClusterHeads(_store, "test").ReadJobAsync("local", Api.TestJob.Id, CancellationToken.None);
        Assert.Equal(JobWish.Run, head!.Wish);
        // And it says why it does not act.
        Assert.Equal("store-unavailable", Assert.Throws<RefusedException>(node.Node.Active).Code);
    }

    private static (JobStatus Status, string Fold, string? Model) Outcome(VirtualNode node)
    {
        var result = node.Ask(active => active.Jobs.OutcomeAsync("local", Api.TestJob.Id, CancellationToken.None)).Result;
        return (result.Status, result.Fold, result.Model?.Sha256);
    }

    private VirtualNode Start(IBlobStore store, string name)
    {
        var node = new VirtualNode(store, name);
        _nodes.Add(node);
        node.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(3), node.Process);
        return node;
    }

    private static VirtualWorker Worker(IBlobStore store, VirtualNode node)
    {
        var worker = new VirtualWorker(store, node);
        worker.Start();
        return worker;
    }

    /// <summary>The one thing that tells a server that it is deposed is another one's.</summary>
    private sealed class OwnServerHead(IBlobStore inner) : IBlobStore
    {
        private readonly MemoryBlobStore _own = new();

        public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => Of(name).ReadAsync(name, cancellationToken);

        public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

        public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => inner.CreateAsync(name, content, cancellationToken);

        public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) => inner.CreateAsync(name, write, cancellationToken);

        public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) =>
            Of(name).ReplaceAsync(name, content, etag, cancellationToken);

        public Task DeleteAsync(string name, CancellationToken cancellationToken) => inner.DeleteAsync(name, cancellationToken);

        public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

        private IBlobStore Of(string name) => name == BlobNames.ServerHead ? _own : inner;
    }
}
