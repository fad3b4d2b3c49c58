using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Silo.Messaging;
using Orleans;
using Orleans.Configuration;
using Orleans.Hosting;
using Orleans.Runtime.Hosting;
using Orleans.Serialization;
using Orleans.Serialization.Cloning;
using Orleans.Serialization.Serializers;

namespace Orchestrator.Silo;

/// <summary>What makes an Orleans silo one of ours.</summary>
internal static class SiloHosting
{
    private const string Npgsql = "Npgsql";

    /// <summary>Ended jobs may be asked for a while.</summary>
    private static readonly TimeSpan s_collectionAge = TimeSpan.FromHours(2);

    /// <summary>Grains, their state, their messages: everything but how silos find each other.</summary>
    /// <param name="identity">Unlike that of any other process on the store.</param>
    public static ISiloBuilder AddOrchestrator(this ISiloBuilder silo, IBlobStore store, SiloOptions options, TimeProvider clock, string identity)
    {
        options.Check();
        silo.Configure<SiloMessagingOptions>(o => o.ResponseTimeout = options.ResponseTimeout);
        silo.Configure<GrainCollectionOptions>(o => o.CollectionAge = s_collectionAge);
        silo.Configure<ClusterMembershipOptions>(o => o.ProbeTimeout = options.Probe);
        // A silo looks for reminders that became its own as often as they are due; Orleans would every five minutes.
        silo.Configure<ReminderOptions>(o => (o.MinimumReminderPeriod, o.RefreshReminderListPeriod) = (options.Reminder, options.Reminder));
        var services = silo.Services;
        services.AddSingleton<SiloEnd>();
        services.AddSingleton<SiloFaults>();
        services.AddSingleton(p => new SiloParts(p.GetRequiredService<IGrainFactory>(), store, options, clock, p.GetRequiredService<SiloFaults>(), identity));
        services.AddGrainStorage(BlobGrainStorage.Name, (p, _) => new BlobGrainStorage(p.GetRequiredService<SiloParts>().States, options.Tenant));
        services.AddSingleton<IOutgoingGrainCallFilter>(p => new RetriedCalls(clock, p.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping));
        services.AddMessages();
        return silo;
    }

    /// <summary>How our messages travel.</summary>
    internal static IServiceCollection AddMessages(this IServiceCollection services)
    {
        services.Configure<ExceptionSerializationOptions>(o => o.SupportedNamespacePrefixes.Add(nameof(Orchestrator)));
        services.AddSerializer(messages => messages.AddJsonSerializer(MessageCodec.IsMessage, _ => false, o => o.Configure(json => json.SerializerOptions = CanonicalJson.Options)));
        services.AddSingleton<MessageCodec>();
        services.AddSingleton<IGeneralizedCodec>(p => p.GetRequiredService<MessageCodec>());
        services.AddSingleton<IGeneralizedCopier>(p => p.GetRequiredService<MessageCodec>());
        return services;
    }

    /// <summary>How silos find each other and keep their reminders: in a database, or on one machine in the memory of its first silo.</summary>
    public static ISiloBuilder UseCluster(this ISiloBuilder silo, SiloOptions options)
    {
        silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (options.Cluster, options.Cluster));
        silo.Configure<EndpointOptions>(o =>
        {
            (o.AdvertisedIPAddress, o.SiloPort) = (options.Address.Address, options.Address.Port);
            o.SiloListeningEndpoint = options.Address;
            // No gateway: nobody but silos calls grains.
            o.GatewayPort = 0;
        });
        if (options.Database is not { } connection)
            return silo.UseDevelopmentClustering(options.Primary ?? options.Address).UseInMemoryReminderService();
        return silo
            .UseAdoNetClustering(o => (o.Invariant, o.ConnectionString) = (Npgsql, connection))
            .UseAdoNetReminderService(o => (o.Invariant, o.ConnectionString) = (Npgsql, connection));
    }
}
