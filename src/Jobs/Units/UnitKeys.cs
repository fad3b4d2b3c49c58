using System.Security.Cryptography;
using System.Text;
using System.Text.Json;

namespace Orchestrator.Jobs.Units;

/// <summary>
/// A unit's key: SHA-256 over everything its result depends on and nothing else. Its place in the plan, the worker, the tenant
/// and the time take no part, so equal work has equal keys wherever it is asked for.
/// </summary>
public static class UnitKeys
{
    /// <summary>Raised when the layout of the hashed document changes; a method's own changes raise <see cref="UnitSpec.MethodVersion"/>.</summary>
    public const int Schema = 1;

    private const int PieceBytes = 1 << 14;

    /// <param name="inputs">Role and hex SHA-256 of each input, in the order that the spec defines.</param>
    /// <returns>64 lower-case hex digits.</returns>
    public static string Compute(UnitKind kind, UnitSpec spec, IReadOnlyList<UnitInput> inputs, string profile) =>
        Compute(kind, spec, inputs.Select(i => new KeyInput(i.Role, i.Blob.Sha256)), profile);

    /// <summary>As the other overload, for inputs that come one by one: the document is hashed piece by piece and never whole in memory.</summary>
    public static string Compute(UnitKind kind, UnitSpec spec, IEnumerable<KeyInput> inputs, string profile) =>
        Hash(inputs, CanonicalJson.Serialize(new KeyTail(kind, profile, Schema, spec)).AsSpan(1));

    /// <summary>Where a unit of a stage is recorded: the digest of what the stage's units have in common, so that equal keys lie in one place.</summary>
    /// <param name="shared">The inputs that all units of the stage have.</param>
    public static string ComputeStage(UnitKind kind, RowsSpec spec, IEnumerable<KeyInput> shared, string profile) =>
        Compute(kind, spec with { FirstRow = 0, Rows = 0, WeightsFirstRow = 0 }, shared, profile);

    internal static KeyDocument Document(UnitKind kind, UnitSpec spec, IReadOnlyList<UnitInput> inputs, string profile) =>
        new(Schema, kind, spec, [.. inputs.Select(i => new KeyInput(i.Role, i.Blob.Sha256))], profile);

    /// <param name="tail">The canonical document after its first member, which is the inputs.</param>
    internal static string Hash(IEnumerable<KeyInput> inputs, ReadOnlySpan<byte> tail)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var piece = new StringBuilder("""{"inputs":[""", 512);
        var separator = "";
        foreach (var (role, sha256) in inputs)
        {
            piece.Append(separator).Append("{\"role\":\"").Append(JsonEncodedText.Encode(role, CanonicalJson.Options.Encoder).Value)
                .Append("\",\"sha256\":\"").Append(sha256).Append("\"}");
            separator = ",";
            if (piece.Length > PieceBytes)
            {
                hash.AppendData(Encoding.UTF8.GetBytes(piece.ToString()));
                piece.Clear();
            }
        }

        hash.AppendData(Encoding.UTF8.GetBytes(piece.Append("],").ToString()));
        hash.AppendData(tail);
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    internal sealed record KeyDocument(int Schema, UnitKind Kind, UnitSpec Spec, IReadOnlyList<KeyInput> Inputs, string Profile);

    private sealed record KeyTail(UnitKind Kind, string Profile, int Schema, UnitSpec Spec);
}

/// <summary>An input as a key sees it: where the blob lies takes no part.</summary>
public readonly record struct KeyInput(string Role, string Sha256);
