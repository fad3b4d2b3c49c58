namespace Orchestrator.Onnx.Gradients;

/// <summary>
/// Straight-through estimators. Rounding passes the gradient as if it were not there. Clip passes it where it changes nothing, so at the
/// ends of its range too, as step sizes are learned with (Esser et al., LSQ, eq. 3).
/// </summary>
internal static class RoundingGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Round"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Floor"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Ceil"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Clip"] = (c, n, dy) =>
        {
            c.Refuse(n, 1, 2);
            c.Flow(n, 0, () => c.Mask(c.Builder.Binary("Equal", n.Inputs[0], n.Output), dy));
        },
    };
}
