using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// The loss of a group on all samples: |error|ᵖ, its square unless said otherwise, summed over channels, mean over samples and positions
/// (algorithms.md 2.3).
/// </summary>
public static class GroupLoss
{
    /// <param name="model">With the weights to look at; not changed.</param>
    /// <param name="partition">Of a model with the same values.</param>
    /// <param name="source">Has the boundary's inputs and its output, by their names in the model.</param>
    /// <param name="batch">Samples in memory at once.</param>
    /// <param name="activations">Values of the group that are quantized; null for none.</param>
    /// <param name="power">The exponent p.</param>
    /// <exception cref="OnnxException">The shape of what enters or leaves is not known.</exception>
    /// <exception cref="OrtException">The runtime refuses the graph or fails.</exception>
    public static double Of(
        ModelRuntime runtime, OnnxModel model, ModelPartition partition, GroupBoundary boundary, IActivationSource source, int batch, CancellationToken cancellationToken,
        IReadOnlyList<ActivationGrid>? activations = null, double power = GroupGraph.Square)
    {
        var graph = GroupGraph.Build(model, partition, boundary, activations ?? [], power);
        using var session = runtime.Open(graph.Model);
        using var options = new RunOptions(cancellationToken);
        string[] names = [.. graph.Inputs.Select(input => input.Name)];
        var total = 0.0;
        for (var first = 0; first < source.Samples; first += batch)
        {
            var count = Math.Min(batch, source.Samples - first);
            var values = graph.Inputs.Select(input => Read(source, input, first, count)).ToList();
            try
            {
                using var outputs = session.Run(names, values, [graph.Errors], options);
                foreach (var error in outputs[0].AsSpan<float>())
                    total += error;
            }
            finally
            {
                values.ForEach(value => value.Dispose());
            }
        }

        return total / source.Samples / graph.Positions;
    }

    private static OrtValue Read(IActivationSource source, GroupInput input, int first, int count)
    {
        var value = OrtValue.Allocate(OnnxRuntime.ElementType.Float, [count, .. input.Shape]);
        var elements = source.ElementsOf(input.Value);
        var span = value.AsSpan<float>();
        for (var i = 0; i < count; i++)
            source.Read(first + i, input.Value, span.Slice(i * elements, elements));
        return value;
    }
}
