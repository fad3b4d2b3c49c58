using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>Blobs in a dictionary: what one unit writes, the next one reads.</summary>
internal sealed class MemoryUnitContext : IUnitContext, IDisposable
{
    private readonly Dictionary<string, byte[]> _blobs = [];
    private DirectoryInfo? _folder;

    public List<string> Written { get; } = [];

    public double Progress { get; private set; }

    public UnitInput Add(string role, byte[] content, string? name = null)
    {
        name ??= role;
        _blobs[name] = content;
        return new UnitInput(role, new BlobRef(name, Convert.ToHexStringLower(SHA256.HashData(content)), content.Length));
    }

    /// <summary>What a unit wrote, as an input of the next one under a role of its own.</summary>
    public UnitInput Output(string role, string? asRole = null) => Add(asRole ?? role, _blobs[role], role);

    public T[] Values<T>(string role)
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(_blobs[role]).ToArray();

    public byte[] Bytes(string role) => _blobs[role];

    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken) => new(_blobs[blob.Name]);

    public ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken) => ReadAsync(blob, cancellationToken);

    public string FileOf(BlobRef blob)
    {
        var path = Path.Combine((_folder ??= Directory.CreateTempSubdirectory("orc-unit-")).FullName, blob.Sha256);
        File.WriteAllBytes(path, _blobs[blob.Name]);
        return path;
    }

    public void Dispose() => _folder?.Delete(recursive: true);

    public Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        _blobs[role] = content.ToArray();
        Written.Add(role);
        return Task.CompletedTask;
    }

    public async Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        using var stream = new MemoryStream();
        await write(stream, cancellationToken);
        await WriteAsync(role, stream.ToArray(), cancellationToken);
    }

    /// <summary>States that units left, by number.</summary>
    public SortedDictionary<int, byte[]> States { get; } = [];

    public Task<UnitState?> ReadStateAsync(CancellationToken cancellationToken) =>
        Task.FromResult<UnitState?>(States.Count == 0 ? null : new UnitState(States.Last().Key, States.Last().Value));

    public Task WriteStateAsync(UnitState state, CancellationToken cancellationToken)
    {
        States[state.Number] = state.Content.ToArray();
        return Task.CompletedTask;
    }

    public void Report(double fraction) => Progress = fraction;
}
