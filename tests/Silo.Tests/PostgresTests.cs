using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded.Tests;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Silo.Tests;

/// <summary>Silos as <c>orc serve</c> starts them: sockets between them, membership and reminders in PostgreSQL.</summary>
public sealed class PostgresTests(PostgresServer postgres) : IClassFixture<PostgresServer>
{
    private static readonly string s_job = EchoJob.Plan.ComputeJobId();

    /// <summary>A test that hangs has failed; far above what any of them takes.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(90);

    private readonly MemoryBlobStore _store = new();

    [PostgresFact]
    public async Task A_job_goes_on_with_the_silo_that_is_left()
    {
        var expected = await EchoJob.RunAsync(new MemoryBlobStore(), new ManualClock());
        await EchoJob.ImportAsync(_store);
        var living = (await Task.WhenAll(StartAsync("survives"), StartAsync("survives"))).ToList();
        await using var workers = new EchoWorkers(_store, () => [.. living]);
        var killed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        workers.Completing = async done =>
        {
            if (done != 12)
                return;
            var dying = living[0];
            living = [living[1]];
            await dying.Host.StopAsync(new CancellationToken(canceled: true));
            // With its sockets: what is left of a silo in this process must not answer for it.
            await ((IAsyncDisposable)dying.Host).DisposeAsync();
            killed.SetResult();
        };
        await living[0].Model(EchoJob.Tenant, s_job).StartAsync(new JobStart(EchoJob.Tenant, EchoJob.Plan, Fresh: false), CancellationToken.None);
        Assert.Equal(1L, await CountAsync("OrleansRemindersTable", "survives"));
        workers.Start(2);
        await killed.Task.WaitAsync(s_patience);

        var result = await living[0].Model(EchoJob.Tenant, s_job).ResultAsync(CancellationToken.None).WaitAsync(s_patience);

        Assert.Equal((JobStatus.Succeeded, expected.Fold), (result.Status, result.Fold));
        await workers.StopAsync();
        // The job is forgotten in a turn of its own, after its end is told.
        using var patience = new CancellationTokenSource(s_patience);
        while (await CountAsync("OrleansRemindersTable", "survives") > 0)
            patience.Token.ThrowIfCancellationRequested();
        await living[0].DisposeAsync();
    }

    /// <summary>The whole cluster ends, in good order; the next one finds the job by its reminder or by being asked.</summary>
    [PostgresFact]
    public async Task A_job_goes_on_with_the_next_cluster()
    {
        await EchoJob.ImportAsync(_store);
        await using (var first = await StartAsync("restarts"))
            await first.Model(EchoJob.Tenant, s_job).StartAsync(new JobStart(EchoJob.Tenant, EchoJob.Plan, Fresh: false), CancellationToken.None);
        await using var next = await StartAsync("restarts");
        await using var workers = new EchoWorkers(_store, () => [next]).Start(1);

        var result = await next.Model(EchoJob.Tenant, s_job).ResultAsync(CancellationToken.None).WaitAsync(s_patience);

        Assert.Equal(JobStatus.Succeeded, result.Status);
    }

    [PostgresFact]
    public async Task A_database_that_cannot_be_used_is_told_with_the_remedy_and_without_the_password()
    {
        var refused = await Assert.ThrowsAsync<InputException>(() => SiloCoordinator.StartAsync(
            _store, SiloCluster.Impatient with { Database = $"{postgres.Connection}nowhere;Password=verysecret" }, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None));

        Assert.Equal("database", refused.Code);
        Assert.DoesNotContain("verysecret", refused.ToString(), StringComparison.Ordinal);
        Assert.NotEmpty(refused.Remedy);
    }

    private Task<SiloCoordinator> StartAsync(string cluster)
    {
        var options = SiloCluster.Impatient with { Cluster = cluster, Database = postgres.Connection, Address = new IPEndPoint(IPAddress.Loopback, FreePort()) };
        return SiloCoordinator.StartAsync(_store, options, TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
    }

    private async Task<long> CountAsync(string table, string cluster)
    {
        await using var source = NpgsqlDataSource.Create(postgres.Connection);
        await using var count = source.CreateCommand($"SELECT count(*) FROM {table} WHERE ServiceId = '{cluster}'");
        return (long)(await count.ExecuteScalarAsync())!;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
