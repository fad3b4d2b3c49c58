using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>A stored document: its canonical JSON, a schema version and the SHA-256 of both. A flipped bit is noticed, a newer version refused.</summary>
internal static class SealedJson
{
    private const string Body = "body";
    private const string Schema = "schema";
    private const string Digest = "sha256";

    public static byte[] Write<T>(T body, int schema)
    {
        var content = CanonicalJson.Serialize(body);
        using var buffer = new MemoryStream(content.Length + 128);
        buffer.Write(Encoding.UTF8.GetBytes($$"""{"{{Body}}":"""));
        buffer.Write(content);
        buffer.Write(Encoding.UTF8.GetBytes($$""","{{Schema}}":{{schema}},"{{Digest}}":"{{DigestOf(schema, content)}}"}"""));
        return buffer.ToArray();
    }

    /// <returns>Null where the content is not what was written: truncated, changed, or no such document.</returns>
    /// <exception cref="InputException"><c>store-newer</c>.</exception>
    public static T? Read<T>(string name, ReadOnlyMemory<byte> content, int schema)
        where T : class
    {
        try
        {
            using var document = JsonDocument.Parse(content, new JsonDocumentOptions { MaxDepth = CanonicalJson.Options.MaxDepth });
            var root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || !root.TryGetProperty(Body, out var body) ||
                !root.TryGetProperty(Schema, out var written) || !root.TryGetProperty(Digest, out var digest) || root.EnumerateObject().Count() != 3 ||
                written.ValueKind != JsonValueKind.Number || !written.TryGetInt32(out var version) || digest.ValueKind != JsonValueKind.String)
            {
                return null;
            }

            // The schema takes part: a flipped bit in it must not pass for a newer version.
            var bytes = JsonMarshal.GetRawUtf8Value(body);
            if (DigestOf(version, bytes) != digest.GetString())
                return null;
            if (version > schema)
                throw Newer(name, version, schema);
            return JsonSerializer.Deserialize<T>(bytes, CanonicalJson.Options);
        }
        catch (Exception cause) when (cause is JsonException or InvalidOperationException)
        {
            // A flipped bit may also leave bytes that are no UTF-8; the reader finds those when a text is taken.
            return null;
        }
    }

    private static string DigestOf(int schema, ReadOnlySpan<byte> body)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{schema}\n"));
        hash.AppendData(body);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static InputException Newer(string name, int found, int known) => new(
        "store-newer", name, $"The store was written by a newer version: '{name}' has schema {found}, this version knows {known}.",
        "Use the newer version, or another store.");
}
