namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// What a step is fed with: a minibatch of what enters and leaves, and with QDrop which elements stay in float, among those that enter as among those that
/// the group computes.
/// </summary>
internal sealed class StepFeed
{
    private readonly ReconstructionProblem _problem;
    private readonly ReconstructionGraph _graph;
    private readonly GroupBoundary _boundary;
    private readonly IActivationSource _source;
    private readonly int[] _minibatch;
    private readonly float[][] _floats;
    private readonly float[][] _masks;

    /// <param name="boundary">With the names of what enters in float where that is mixed in.</param>
    public StepFeed(ReconstructionProblem problem, ReconstructionGraph graph, GroupBoundary boundary, IActivationSource source)
    {
        (_problem, _graph, _boundary, _source, _minibatch) = (problem, graph, boundary, source, new int[problem.Parameters.Batch]);
        _floats = [.. boundary.Floats.Select(value => new float[source.ElementsOf(value)])];
        _masks = [.. _floats.Select(floats => new float[floats.Length * _minibatch.Length])];
    }

    /// <param name="step">Counted from 1.</param>
    public void Fill(int step, StepRunner runner)
    {
        StepDraws.Minibatch(_problem.Seed, step, _source.Samples, _minibatch);
        foreach (var input in _graph.Inputs)
            Read(input.Value, runner.Input(input));
        for (var i = 0; i < _graph.Masks.Count; i++)
            Draw(step, i, runner.Input(_graph.Masks[i]));
        for (var i = 0; i < _floats.Length; i++)
            Mix(step, i, runner.Input(_graph.Inputs[i]));
    }

    private void Read(string value, Span<float> into)
    {
        var elements = into.Length / _minibatch.Length;
        for (var i = 0; i < _minibatch.Length; i++)
            _source.Read(_minibatch[i], value, into.Slice(i * elements, elements));
    }

    private void Draw(int step, int activation, Span<float> mask) => StepDraws.Mask(_problem.Seed, step, activation, _problem.Parameters.Drop ?? 0, mask);

    /// <summary>Puts float elements in the place of quantized ones.</summary>
    private void Mix(int step, int input, Span<float> quantized)
    {
        var (floats, mask) = (_floats[input], _masks[input]);
        Draw(step, _graph.Masks.Count + input, mask);
        for (var i = 0; i < _minibatch.Length; i++)
        {
            _source.Read(_minibatch[i], _boundary.Floats[input], floats);
            for (int j = 0, at = i * floats.Length; j < floats.Length; j++, at++)
                quantized[at] = mask[at] == 0 ? floats[j] : quantized[at];
        }
    }
}
