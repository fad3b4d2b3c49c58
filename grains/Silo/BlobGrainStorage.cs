using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orchestrator.Silo;

/// <summary>Orleans' grain state in our blob store: one head per state, changed under its ETag. What is cleared keeps its version, so that a stale activation cannot write over it.</summary>
/// <param name="tenant">Whose names the state of grains of all tenants has.</param>
internal sealed class BlobGrainStorage(GrainStateStore states, string tenant) : IGrainStorage
{
    public const string Name = "blobs";

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => ReadStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        var (owner, name) = PlaceOf(stateName, grainId);
        var (kept, etag) = await states.ReadVersionAsync<Kept<T>>(owner, name, cancellationToken);
        grainState.ETag = etag;
        grainState.RecordExists = kept is { Exists: true };
        grainState.State = kept is { Exists: true, State: { } state } ? state : Activator.CreateInstance<T>();
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => WriteStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        grainState.ETag = await ReplaceAsync(stateName, grainId, new Kept<T>(true, grainState.State), grainState.ETag, cancellationToken);
        grainState.RecordExists = true;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => ClearStateAsync(stateName, grainId, grainState, CancellationToken.None);

    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState, CancellationToken cancellationToken)
    {
        grainState.ETag = await ReplaceAsync(stateName, grainId, new Kept<T>(false, default), grainState.ETag, cancellationToken);
        (grainState.RecordExists, grainState.State) = (false, Activator.CreateInstance<T>());
    }

    private async Task<string> ReplaceAsync<T>(string stateName, GrainId grainId, Kept<T> kept, string? etag, CancellationToken cancellationToken)
    {
        var (owner, name) = PlaceOf(stateName, grainId);
        return await states.ReplaceAsync(owner, name, kept, etag, cancellationToken)
            ?? throw new InconsistentStateException($"The state '{stateName}' of '{grainId}' was changed by another activation.", "another", etag ?? "none");
    }

    private (string Tenant, string Name) PlaceOf(string stateName, GrainId grainId)
    {
        var (owner, name) = GrainKeys.StateOf(grainId.Key.ToString()!);
        return (owner ?? tenant, $"{stateName}/{name}");
    }

    private sealed record Kept<T>(bool Exists, T? State);
}
