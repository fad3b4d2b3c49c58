using System.Security.Cryptography;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>A stored document: its canonical JSON, that JSON's SHA-256 and a schema version. A flipped bit is noticed, a newer version refused.</summary>
internal static class SealedJson
{
    private sealed record Envelope(int Schema, string Sha256, JsonElement Body);

    public static byte[] Write<T>(T body, int schema) => CanonicalJson.Serialize(new Envelope(schema, CanonicalJson.Digest(body), JsonSerializer.SerializeToElement(body, CanonicalJson.Options)));

    /// <returns>Null where the content is not what was written: truncated, changed, or no such document.</returns>
    /// <exception cref="InputException"><c>store-newer</c>.</exception>
    public static T? Read<T>(string name, ReadOnlyMemory<byte> content, int schema)
        where T : class
    {
        try
        {
            var envelope = JsonSerializer.Deserialize<Envelope>(content.Span, CanonicalJson.Options);
            if (envelope is null || Convert.ToHexStringLower(SHA256.HashData(CanonicalJson.Serialize(envelope.Body))) != envelope.Sha256)
                return null;
            if (envelope.Schema > schema)
                throw Newer(name, envelope.Schema, schema);
            return envelope.Body.Deserialize<T>(CanonicalJson.Options);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static InputException Newer(string name, int found, int known) => new(
        "store-newer", name, $"The store was written by a newer version: '{name}' has schema {found}, this version knows {known}.",
        "Use the newer version, or another store.");
}
