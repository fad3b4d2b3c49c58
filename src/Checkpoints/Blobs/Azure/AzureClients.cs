using Azure.Core;
using Azure.Core.Pipeline;
using Azure.Storage.Blobs;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>How clients of the service are set up: no retries of their own, no texts logged.</summary>
internal static class AzureClients
{
    // All that is used is older; emulators lag behind the newest.
    private const BlobClientOptions.ServiceVersion Version = BlobClientOptions.ServiceVersion.V2024_11_04;

    public static BlobClientOptions Options(AzureStoreOptions options)
    {
        var client = new BlobClientOptions(Version);
        client.Retry.MaxRetries = 0;
        // Bounded by the pipelines, which know how much is sent.
        client.Retry.NetworkTimeout = Timeout.InfiniteTimeSpan;
        client.Diagnostics.IsLoggingEnabled = false;
        client.Diagnostics.IsTelemetryEnabled = false;
        client.AddPolicy(new BodiesOnce(), HttpPipelinePosition.PerCall);
        if (options.Transport is { } transport)
            client.Transport = transport;
        return client;
    }

    /// <summary>A body that breaks off fails its call, instead of being asked for again behind the pipelines' back.</summary>
    private sealed class BodiesOnce : HttpPipelinePolicy
    {
        public override void Process(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            ProcessNext(message, pipeline);
            Wrap(message);
        }

        public override async ValueTask ProcessAsync(HttpMessage message, ReadOnlyMemory<HttpPipelinePolicy> pipeline)
        {
            await ProcessNextAsync(message, pipeline);
            Wrap(message);
        }

        private static void Wrap(HttpMessage message)
        {
            if (!message.BufferResponse && message.HasResponse && message.Response.ContentStream is { CanSeek: false } body)
                message.Response.ContentStream = new BodyStream(body);
        }
    }
}
