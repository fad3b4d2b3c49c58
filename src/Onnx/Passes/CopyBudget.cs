namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Bytes that copies of shared weights may add to a model: a file of a few hundred nodes that share one large weight must not become many
/// of it.
/// </summary>
internal sealed class CopyBudget
{
    private const long Allowance = 256L << 20;

    private long _left;

    private CopyBudget(long left) => _left = left;

    /// <summary>What the model's constants take already, and an allowance.</summary>
    public static CopyBudget Of(Graph graph) => new(Allowance + graph.Initializers.Sum(t => t.ByteCount));

    public bool Take(long bytes)
    {
        if (bytes > _left)
            return false;
        _left -= bytes;
        return true;
    }
}
