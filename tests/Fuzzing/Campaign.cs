namespace Orchestrator.Fuzzing;

/// <summary>
/// Many executions of one target from a seed: the same seed and corpus give the same inputs. Inputs whose outcome is new join those that are
/// mutated, which is the guidance: outcomes name the refusal, or what was found in the file and what became of it.
/// </summary>
internal sealed class Campaign
{
    private const int MaxPool = 4000;

    private readonly IFuzzTarget _target;
    private readonly Random _random;
    private readonly List<byte[]> _pool;
    private readonly HashSet<string> _outcomes = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (byte[] Input, Finding Finding)> _findings = new(StringComparer.Ordinal);

    public Campaign(IFuzzTarget target, int seed, IEnumerable<byte[]> corpus)
    {
        _target = target;
        _random = new Random(seed);
        _pool = [.. corpus];
        if (_pool.Count == 0)
            throw new ArgumentException($"The corpus of '{target.Name}' is empty.", nameof(corpus));
    }

    /// <summary>Different ways through the code that were seen.</summary>
    public int Outcomes => _outcomes.Count;

    public IReadOnlyCollection<(byte[] Input, Finding Finding)> Findings => _findings.Values;

    /// <param name="about">Told every input before it is run, so that one that kills the process is known.</param>
    /// <param name="until">Ends the campaign early.</param>
    /// <returns>Executions done.</returns>
    public int Run(int executions, Action<byte[]>? about = null, Func<bool>? until = null)
    {
        for (var i = 0; i < executions; i++)
        {
            if (until?.Invoke() == true)
                return i;
            var input = _target.Mutate(_random.Pick(_pool), _random.Pick(_pool), _random);
            about?.Invoke(input);
            var (outcome, finding) = Execution.Run(_target, input);
            if (finding is not null)
                _findings.TryAdd(finding.Kind, (input, finding));
            else if (_outcomes.Add(outcome) && _pool.Count < MaxPool)
                _pool.Add(input);
        }
        return executions;
    }
}
