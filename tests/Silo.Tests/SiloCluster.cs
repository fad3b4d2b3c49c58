using Microsoft.Extensions.DependencyInjection;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Outcomes;
using Orleans.Hosting;
using Orleans.Runtime;
using Orleans.TestingHost;

namespace Orchestrator.Silo.Tests;

/// <summary>Silos in this process that are one cluster; messages between them travel as bytes.</summary>
internal sealed class SiloCluster : IAsyncDisposable
{
    /// <summary>Attempts follow each other at once, deaths are noticed and reminders fall due within seconds: no test waits longer than it must.</summary>
    public static SiloOptions Impatient { get; } = new()
    {
        Retry = RetryPolicy.Default with { FirstDelay = TimeSpan.Zero, MaxDelay = TimeSpan.Zero },
        Leases = new LeaseOptions(TimeSpan.FromSeconds(4), TimeSpan.FromMilliseconds(100), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)),
        ResponseTimeout = TimeSpan.FromSeconds(8),
        Pulse = TimeSpan.FromMilliseconds(200),
        Probe = TimeSpan.FromMilliseconds(500),
        Reminder = TimeSpan.FromSeconds(1),
    };

    /// <summary>On a busy machine no grain that is merely late counts as lost.</summary>
    public static SiloOptions Calm { get; } = Impatient with { Pulse = TimeSpan.FromSeconds(30), Leases = Impatient.Leases with { Duration = TimeSpan.FromSeconds(60) } };

    private readonly InProcessTestCluster _cluster;
    private readonly List<Member> _members = [];

    private SiloCluster(InProcessTestCluster cluster) => _cluster = cluster;

    /// <summary>Silos that live.</summary>
    public IReadOnlyList<Member> Members => _members;

    /// <param name="options">Null for <see cref="Impatient"/>.</param>
    public static async Task<SiloCluster> StartAsync(IBlobStore store, int silos, SiloOptions? options = null)
    {
        options ??= Impatient;
        var builder = new InProcessTestClusterBuilder((short)silos);
        (builder.Options.ConfigureFileLogging, builder.Options.InitializeClientOnDeploy) = (false, false);
        builder.ConfigureSilo((_, silo) =>
        {
            silo.AddOrchestrator(store, options, TimeProvider.System, Guid.NewGuid().ToString("N")).UseInMemoryReminderService();
        });
        var cluster = new SiloCluster(builder.Build());
        await cluster._cluster.DeployAsync();
        cluster._members.AddRange(cluster._cluster.Silos.Select(s => new Member(s)));
        return cluster;
    }

    /// <summary>Ends a silo as a power cut does: it tells nobody.</summary>
    public async Task KillAsync(Member member)
    {
        _members.Remove(member);
        await _cluster.KillSiloAsync(member.Silo);
    }

    public async ValueTask DisposeAsync() => await _cluster.DisposeAsync();

    /// <summary>The silo that a grain is active on; null where it is on none.</summary>
    public Member? HolderOf(IAddressable grain) =>
        _cluster.TryGetGrainContext(grain.GetGrainId(), out var context) ? _members.Find(m => m.Silo.SiloAddress.Equals(context.Address.SiloAddress)) : null;

    /// <summary>Ends a grain's activation, and with it all that it remembers.</summary>
    public Task DeactivateAsync(IAddressable grain) => _cluster.DeactivateAsync(grain);

    /// <summary>A silo and the coordinator that it is.</summary>
    public sealed class Member(InProcessSiloHandle silo)
    {
        public InProcessSiloHandle Silo => silo;

        public SiloCoordinator Coordinator { get; } = new(silo.SiloHost);

        public IGrainFactory Grains { get; } = silo.ServiceProvider.GetRequiredService<IGrainFactory>();
    }
}
