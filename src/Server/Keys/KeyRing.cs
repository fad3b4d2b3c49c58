using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs;

namespace Orchestrator.Server.Keys;

/// <summary>What a key is for.</summary>
public enum KeyRole
{
    /// <summary>Leases and completes units of all tenants.</summary>
    Worker = 1,

    /// <summary>Submits and looks after the tenant's own jobs.</summary>
    Tenant = 2,
}

/// <summary>Who calls, as the key tells.</summary>
/// <param name="Name">The tenant's name, or the name that the worker's key was given.</param>
public sealed record Caller(KeyRole Role, string Name)
{
    /// <summary>Whom a worker's key may speak for: a worker's name, or what such names begin with and <c>*</c>; null for all.</summary>
    public string? Workers { get; init; }

    public bool MaySpeakFor(string worker) =>
        Workers is null || (Workers.EndsWith('*') ? worker.StartsWith(Workers[..^1], StringComparison.Ordinal) : worker == Workers);
}

/// <summary>The keys that a server knows: their SHA-256 only, so that the file that holds them gives none away.</summary>
public sealed class KeyRing
{
    private const int KeyBytes = 32;
    private const int LongestName = 64;

    private readonly List<(byte[] Digest, Caller Caller)> _keys = [];

    private KeyRing()
    {
    }

    /// <summary>Reads a file of lines <c>worker NAME KEY-SHA256 [WORKERS]</c> or <c>tenant NAME KEY-SHA256</c>; <c>#</c> begins a comment.</summary>
    /// <exception cref="InputException"><c>keys-invalid</c>; names the line.</exception>
    public static KeyRing Read(string file, string content)
    {
        var ring = new KeyRing();
        foreach (var (line, number) in content.Split('\n').Select((line, index) => (line.Split('#')[0].Trim(), index + 1)))
        {
            if (line.Length > 0)
                ring._keys.Add(Parse(line) is { } key ? key : throw Wrong(file, $"Line {number} is none of 'worker NAME KEY-SHA256 [WORKERS]' and 'tenant NAME KEY-SHA256' with a NAME of a-z, 0-9, '-' and '_' other than '{BlobNames.Cluster}'."));
        }

        return ring._keys.Count > 0 ? ring : throw Wrong(file, "It holds no key.");
    }

    /// <summary>A new key, and the line that lets it in.</summary>
    /// <param name="workers">Whom a worker's key may speak for; null for all.</param>
    public static (string Key, string Line) Create(KeyRole role, string name, string? workers = null)
    {
        var key = Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(KeyBytes));
        var line = $"{role.ToString().ToLowerInvariant()} {name} {Convert.ToHexStringLower(Digest(key))}{(workers is null ? "" : $" {workers}")}";
        return Parse(line) is not null ? (key, line) : throw Wrong(name, $"A name has 1 to {LongestName} of a-z, 0-9, '-' and '_' and is not '{BlobNames.Cluster}'; workers are one word, for workers' keys only.");
    }

    /// <summary>All keys are compared, each in constant time: how long it takes tells nothing.</summary>
    /// <returns>Null for a key that is not known.</returns>
    public Caller? Find(string key)
    {
        var digest = Digest(key);
        Caller? found = null;
        foreach (var (known, caller) in _keys)
        {
            if (CryptographicOperations.FixedTimeEquals(known, digest))
                found = caller;
        }

        return found;
    }

    private static (byte[] Digest, Caller Caller)? Parse(string line)
    {
        var parts = line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (parts is not [var word, { Length: <= LongestName } name, { Length: 2 * SHA256.HashSizeInBytes } digest, .. { Length: <= 1 } workers] || !digest.All(char.IsAsciiHexDigit) || (workers.Length > 0 && word != "worker"))
            return null;
        KeyRole? role = word switch { "worker" => KeyRole.Worker, "tenant" => KeyRole.Tenant, _ => null };
        return role is { } known && name != BlobNames.Cluster && name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '_')
            ? (Convert.FromHexString(digest), new Caller(known, name) { Workers = workers is [var bound] ? bound : null })
            : null;
    }

    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));

    private static InputException Wrong(string file, string cause) => new("keys-invalid", file, cause, "Make keys and their lines with `orc serve --new-key tenant:NAME` or `orc serve --new-key worker:NAME`.");
}
