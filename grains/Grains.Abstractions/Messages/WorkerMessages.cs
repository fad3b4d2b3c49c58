using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions.Messages;

/// <summary>The end of an attempt, as it travels.</summary>
/// <param name="Worker">Who tells it.</param>
public sealed record Completion(string Worker, Epoch Epoch, Outcome Outcome);

/// <summary>Who a worker is and what it has.</summary>
/// <param name="Profiles">Numeric profiles that it can compute in, the best first.</param>
/// <param name="Version">Of its program.</param>
public sealed record WorkerRegistration(string Worker, int Slots, IReadOnlyList<string> Profiles, IReadOnlyList<WorkerDevice> Devices, string Version);

/// <param name="Class"><c>cpu</c>, <c>cuda</c> or <c>webgpu</c>.</param>
/// <param name="MemoryBytes">Of the device; null where it does not say.</param>
public sealed record WorkerDevice(string Class, string Name, long? MemoryBytes);

/// <summary>What a server asks of a worker.</summary>
/// <param name="HeartbeatEvery">How often leases are to be renewed.</param>
/// <param name="Store">How a worker reads and writes blobs: <c>grants</c>, or <c>shared</c> where it opens the store itself.</param>
public sealed record WorkerTerms(TimeSpan HeartbeatEvery, string Store)
{
    /// <summary>How long a request for units may wait at the server; a worker waits longer for its answer.</summary>
    public TimeSpan LongPoll { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>Asks for the right to read inputs and create outputs of a unit whose lease the worker holds.</summary>
/// <param name="Reads">Names of blobs; only inputs of the unit, its states and names below the lease's output prefix are granted: a writer reads back what it finds taken.</param>
/// <param name="Creates">Names of blobs; only names below the lease's output prefix, and states of a unit that is reconstructed, are granted.</param>
public sealed record GrantRequest(string Worker, Epoch Epoch, IReadOnlyList<string> Reads, IReadOnlyList<string> Creates);

/// <param name="Uri">A secret: whoever has it may do what was granted until it expires. Never to be logged.</param>
public sealed record BlobGrant(string Name, Uri Uri, DateTimeOffset Expires);
