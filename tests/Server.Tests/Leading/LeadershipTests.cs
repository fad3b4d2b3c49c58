using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Server.Leading;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Server.Tests.Leading;

public sealed class LeadershipTests : IDisposable
{
    private static readonly LeadershipOptions s_options = LeadershipOptions.Default;
    private static readonly TimeSpan s_takeOver = s_options.Patience + 2 * s_options.Look + TimeSpan.FromSeconds(1);

    private readonly MemoryBlobStore _store = new();
    private readonly List<string> _acting = [];
    private readonly List<Server> _servers = [];

    public void Dispose() => _servers.ForEach(s => s.Dispose());

    [Fact]
    public void The_first_server_acts_at_once_and_the_second_knows_its_address()
    {
        var (first, second) = (new Server(this, "first"), new Server(this, "second"));
        first.Start();
        VirtualProcess.Settle(first.Process);
        second.Start();
        VirtualProcess.Pass(TimeSpan.FromMinutes(2), first.Process, second.Process);

        Assert.Equal(["first/1"], _acting);
        Assert.Equal(new Uri("http://first"), second.Leadership.Head!.Address);
    }

    [Fact]
    public void A_server_that_stops_is_followed_at_once_in_the_next_term()
    {
        var (first, second) = (new Server(this, "first"), new Server(this, "second"));
        first.Start();
        VirtualProcess.Settle(first.Process);
        second.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(7), first.Process, second.Process);

        first.Stop();
        VirtualProcess.Pass(s_options.Look + TimeSpan.FromSeconds(1), first.Process, second.Process);

        Assert.Equal(["second/2"], _acting);
    }

    [Fact]
    public void A_server_that_dies_is_followed_when_its_head_has_not_changed_for_long_enough()
    {
        var (first, second) = Two();
        first.Process.IsPaused = true;

        VirtualProcess.Pass(s_options.Patience - s_options.Renewal - TimeSpan.FromSeconds(1), first.Process, second.Process);
        Assert.Equal(["first/1"], _acting);
        VirtualProcess.Pass(s_takeOver, first.Process, second.Process);

        Assert.Contains("second/2", _acting);
    }

    [Fact]
    public void A_server_that_was_paused_knows_that_it_is_deposed_before_it_does_anything()
    {
        var (first, second) = Two();
        var tenure = first.Tenure!;
        first.Process.IsPaused = true;
        VirtualProcess.Pass(TimeSpan.FromMinutes(1), first.Process, second.Process);
        Assert.Contains("second/2", _acting);

        first.Process.IsPaused = false;
        VirtualProcess.Pass(TimeSpan.FromMilliseconds(100), first.Process, second.Process);

        Assert.True(tenure.IsOver);
        VirtualProcess.Pass(TimeSpan.FromMinutes(1), first.Process, second.Process);
        Assert.Equal(["second/2"], _acting);
    }

    /// <summary>Quartz is a thousand times better; a lease's margin forgives far more.</summary>
    [Theory]
    [InlineData(1.05, 0.95)]
    [InlineData(0.95, 1.05)]
    public void Two_never_act_at_once_however_the_store_fails_and_clocks_run(double firstRate, double secondRate)
    {
        for (var seed = 0; seed < 20; seed++)
        {
            _acting.Clear();
            var dice = new Random(seed);
            var store = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => dice.Next(10) switch { 0 or 1 => StoreFault.Fail, 2 => StoreFault.LoseAnswer, _ => StoreFault.None });
            Server[] servers = [new(this, "first", store, firstRate), new(this, "second", store, secondRate)];
            var most = 0;
            foreach (var server in servers)
                server.Start();
            var acted = new HashSet<string>();
            for (var second = 0; second < 600; second++)
            {
                var victim = servers[dice.Next(2)].Process;
                if (dice.Next(20) == 0)
                    victim.IsPaused = !victim.IsPaused;
                VirtualProcess.Pass(TimeSpan.FromSeconds(1), [.. servers.Select(s => s.Process)]);
                // A process that is paused does nothing, whatever it would believe.
                most = Math.Max(most, servers.Count(s => !s.Process.IsPaused && s.Tenure is { IsOver: false }));
                acted.UnionWith(_acting);
            }

            Assert.Equal(1, most);
            Assert.True(acted.Count > 1, $"seed {seed}: nobody was ever followed");
        }
    }

    [Fact]
    public void A_store_that_is_away_ends_the_tenure_before_anyone_may_take_over()
    {
        var isAway = false;
        var store = new FaultyBlobStore(_store, (_, _, _) => isAway ? StoreFault.Fail : StoreFault.None);
        var server = new Server(this, "first", store);
        server.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(6), server.Process);
        isAway = true;

        VirtualProcess.Pass(s_options.Right + TimeSpan.FromSeconds(1), server.Process);
        Assert.Empty(_acting);
        isAway = false;
        VirtualProcess.Pass(s_takeOver, server.Process);

        Assert.Equal(["first/2"], _acting);
    }

    [Fact]
    public void An_answer_that_is_lost_does_not_cost_the_tenure()
    {
        var store = new FaultyBlobStore(_store, (number, operation, _) => operation == "replace" && number % 3 == 1 ? StoreFault.LoseAnswer : StoreFault.None);
        var server = new Server(this, "first", store);
        server.Start();

        VirtualProcess.Pass(TimeSpan.FromMinutes(5), server.Process);

        Assert.Single(_acting);
    }

    [Fact]
    public async Task A_damaged_head_is_taken_over_with_a_term_that_was_never_used()
    {
        var etag = await _store.ReplaceAsync(BlobNames.ServerHead, "no head"u8.ToArray(), null, CancellationToken.None);
        Assert.NotNull(etag);
        var server = new Server(this, "first");
        VirtualProcess.Pass(TimeSpan.FromMinutes(10), server.Process);
        server.Start();

        VirtualProcess.Pass(s_takeOver, server.Process);

        Assert.True(server.Tenure!.Term >= 600);
    }

    private (Server First, Server Second) Two()
    {
        var (first, second) = (new Server(this, "first"), new Server(this, "second"));
        first.Start();
        VirtualProcess.Settle(first.Process);
        second.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(7), first.Process, second.Process);
        return (first, second);
    }

    private sealed class Server : IDisposable
    {
        private readonly LeadershipTests _tests;
        private readonly string _name;
        private readonly CancellationTokenSource _stop = new();

        public Server(LeadershipTests tests, string name, IBlobStore? store = null, double rate = 1)
        {
            (_tests, _name) = (tests, name);
            tests._servers.Add(this);
            Process = new VirtualProcess(rate);
            Leadership = new Leadership(new ClusterHeads(store ?? tests._store, name), new ServerIdentity(name, new Uri($"http://{name}"), name), s_options, Process.Clock);
        }

        public VirtualProcess Process { get; }

        public Leadership Leadership { get; }

        /// <summary>The last one.</summary>
        public Tenure? Tenure { get; private set; }

        public void Dispose() => _stop.Dispose();

        public void Start() => _ = Process.Start(() => Leadership.RunAsync(ActAsync, _stop.Token));

        public void Stop() => _ = Process.Start(() =>
        {
            _stop.Cancel();
            return Task.CompletedTask;
        });

        private async Task ActAsync(Tenure tenure)
        {
            Tenure = tenure;
            _tests._acting.Add($"{_name}/{tenure.Term}");
            var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var end = tenure.Over.Register(over.SetResult);
            using var stop = _stop.Token.Register(() => over.TrySetResult());
            await over.Task;
            _tests._acting.Remove($"{_name}/{tenure.Term}");
        }
    }
}
