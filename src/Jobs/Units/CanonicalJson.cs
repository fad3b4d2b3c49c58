using System.Buffers;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Orchestrator.Jobs.Units;

/// <summary>
/// One byte sequence per value: UTF-8, members sorted by ordinal name at every level, no whitespace, null members left out, numbers in
/// the shortest form that reads back equal, enumeration members as camel-case names. What is hashed is written this way.
/// </summary>
public static class CanonicalJson
{
    /// <summary>How every stored document of ours is read and written.</summary>
    public static JsonSerializerOptions Options { get; } = MakeOptions();

    /// <exception cref="JsonException">A number is NaN or infinite, or the value refers to itself.</exception>
    public static byte[] Serialize<T>(T value)
    {
        using var document = JsonSerializer.SerializeToDocument(value, Options);
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = Options.Encoder }))
            Write(writer, document.RootElement);
        return buffer.WrittenSpan.ToArray();
    }

    /// <summary>Hex SHA-256 of the canonical form.</summary>
    public static string Digest<T>(T value) => Convert.ToHexStringLower(SHA256.HashData(Serialize(value)));

    private static void Write(Utf8JsonWriter writer, JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (var member in element.EnumerateObject().OrderBy(m => m.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (var item in element.EnumerateArray())
                    Write(writer, item);
                writer.WriteEndArray();
                break;
            default:
                element.WriteTo(writer);
                break;
        }
    }

    private static JsonSerializerOptions MakeOptions()
    {
        var options = new JsonSerializerOptions
        {
            PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
            DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            AllowOutOfOrderMetadataProperties = true,
            MaxDepth = 32,
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
        };
        options.MakeReadOnly(populateMissingResolver: true);
        return options;
    }
}
