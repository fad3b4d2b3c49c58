using Orchestrator.Compression.Models;
using Orchestrator.Onnx.Gradients;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>Runs training steps. What is trained lies in two sets of buffers, of which a step reads one and writes the other: nothing is copied but to and from a device.</summary>
internal sealed class StepRunner : IDisposable
{
    private static readonly string[] s_parts = ["", ".m", ".v"];

    private static readonly string[] s_scalars =
    [
        ReconstructionGraph.Rate, ReconstructionGraph.ScaleRate, ReconstructionGraph.Beta, ReconstructionGraph.PenaltyWeight, TrainingStep.Correction1, TrainingStep.Correction2,
    ];

    private readonly ReconstructionGraph _graph;
    private readonly Session _session;
    private readonly IoBinding[] _bindings;
    private readonly Dictionary<string, OrtValue>[] _states = [[], []];
    private readonly Dictionary<string, OrtValue> _shared = [];
    private readonly bool _isOnCpu;
    private int _current;

    /// <param name="state">Values and moments, by name; what is missing is 0.</param>
    public StepRunner(ModelRuntime runtime, ReconstructionGraph graph, IReadOnlyDictionary<string, float[]> state, int batch)
    {
        (_graph, _session, _isOnCpu) = (graph, runtime.Open(graph.Step.Model), runtime.IsOnCpu);
        _bindings = [new IoBinding(_session), new IoBinding(_session)];
        foreach (var trainable in graph.Step.Trainables)
        {
            foreach (var part in s_parts)
            {
                var name = trainable.Name + part;
                foreach (var states in _states)
                    states[name] = OrtValue.Allocate(ElementType.Float, [.. trainable.Shape]);
                var values = _states[0][name].AsSpan<float>();
                values.Clear();
                state.GetValueOrDefault(name)?.CopyTo(values);
            }
        }

        foreach (var input in graph.Inputs.Concat(graph.Masks))
            _shared[input.Name] = OrtValue.Allocate(ElementType.Float, [batch, .. input.Shape]);
        foreach (var scalar in s_scalars.Append(graph.Loss).Append(graph.Step.Loss).Concat(Penalty).Distinct())
            _shared[scalar] = OrtValue.Allocate(ElementType.Float, []);
        for (var i = 0; i < _bindings.Length; i++)
            Bind(_bindings[i], _states[i], _states[1 - i]);
    }

    private IEnumerable<string> Penalty => _graph.Penalty is { } penalty ? [penalty] : [];

    /// <summary>A minibatch of an input, or its mask, to be filled before a step.</summary>
    public Span<float> Input(GroupInput input) => _shared[input.Name].AsSpan<float>();

    /// <param name="scalars">Those that the graph does not have are not looked at.</param>
    /// <returns>The loss and the penalty before the update.</returns>
    public (double Loss, double Penalty) Run(RunOptions options, params ReadOnlySpan<(string Name, double Value)> scalars)
    {
        foreach (var (name, value) in scalars)
            _shared[name].AsSpan<float>()[0] = (float)value;
        // To a device an input is copied when it is bound.
        if (!_isOnCpu)
            BindInputs(_bindings[_current], _states[_current]);
        _session.RunWithBinding(_bindings[_current], options);
        if (!_isOnCpu)
            _bindings[_current].SynchronizeOutputs();
        _current = 1 - _current;
        return (_shared[_graph.Loss].AsSpan<float>()[0], _graph.Penalty is { } penalty ? _shared[penalty].AsSpan<float>()[0] : 0);
    }

    /// <summary>Values and moments as they are now.</summary>
    public Dictionary<string, float[]> State() => _states[_current].ToDictionary(s => s.Key, s => s.Value.AsSpan<float>().ToArray());

    public void Dispose()
    {
        foreach (var binding in _bindings)
            binding.Dispose();
        foreach (var value in _states.SelectMany(s => s.Values).Concat(_shared.Values))
            value.Dispose();
        _session.Dispose();
    }

    private void Bind(IoBinding binding, Dictionary<string, OrtValue> from, Dictionary<string, OrtValue> to)
    {
        BindInputs(binding, from);
        foreach (var (name, value) in to)
            binding.BindOutput($"{name}.next", value);
        foreach (var scalar in Penalty.Append(_graph.Loss).Append(_graph.Step.Loss).Distinct())
            binding.BindOutput(scalar, _shared[scalar]);
    }

    private void BindInputs(IoBinding binding, Dictionary<string, OrtValue> from)
    {
        foreach (var input in _session.Inputs)
            binding.BindInput(input.Name, from.GetValueOrDefault(input.Name) ?? _shared[input.Name]);
    }
}
