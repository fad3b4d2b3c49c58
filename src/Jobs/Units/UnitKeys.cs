namespace Orchestrator.Jobs.Units;

/// <summary>
/// A unit's key: SHA-256 over everything its result depends on and nothing else. Its place in the plan, the worker, the tenant
/// and the time take no part, so equal work has equal keys wherever it is asked for.
/// </summary>
public static class UnitKeys
{
    /// <summary>Raised when the layout of the hashed document changes; a method's own changes raise <see cref="UnitSpec.MethodVersion"/>.</summary>
    public const int Schema = 1;

    /// <param name="inputs">Role and hex SHA-256 of each input, in the order that the spec defines.</param>
    /// <returns>64 lower-case hex digits.</returns>
    public static string Compute(UnitKind kind, UnitSpec spec, IReadOnlyList<UnitInput> inputs, string profile) =>
        CanonicalJson.Digest(Document(kind, spec, inputs, profile));

    internal static KeyDocument Document(UnitKind kind, UnitSpec spec, IReadOnlyList<UnitInput> inputs, string profile) =>
        new(Schema, kind, spec, [.. inputs.Select(i => new KeyInput(i.Role, i.Blob.Sha256))], profile);

    internal sealed record KeyDocument(int Schema, UnitKind Kind, UnitSpec Spec, IReadOnlyList<KeyInput> Inputs, string Profile);

    internal sealed record KeyInput(string Role, string Sha256);
}
