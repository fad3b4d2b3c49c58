namespace Orchestrator.Jobs.Units;

/// <summary>
/// What decides the last bits of a result (design.md section 5). A job is pinned to one profile, written as <c>avx2-cpu-ort1.30.0</c>, and only matching workers lease its units.
/// </summary>
/// <param name="Width">Kernel width: <c>avx512</c>, <c>avx2</c>, <c>v128</c> or <c>scalar</c>.</param>
/// <param name="Provider">Execution provider: <c>cpu</c>, <c>cuda</c> or <c>webgpu</c>.</param>
/// <param name="Runtime">Version of ONNX Runtime.</param>
public sealed record NumericProfile(string Width, string Provider, string Runtime)
{
    private const string RuntimePrefix = "ort";

    /// <summary>The profile that a text names; null where it names none.</summary>
    public static NumericProfile? Parse(string text)
    {
        var parts = text.Split('-', 3);
        return parts.Length == 3 && parts.All(part => part.Length > 0) && parts[2].StartsWith(RuntimePrefix, StringComparison.Ordinal) && parts[2].Length > RuntimePrefix.Length
            ? new NumericProfile(parts[0], parts[1], parts[2][RuntimePrefix.Length..])
            : null;
    }

    public override string ToString() => $"{Width}-{Provider}-{RuntimePrefix}{Runtime}";
}
