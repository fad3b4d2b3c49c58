namespace Orchestrator.Fuzzing;

/// <summary>A reader of untrusted bytes and everything that works on what it read before ONNX Runtime sees it.</summary>
internal interface IFuzzTarget
{
    /// <summary>As the command line and the corpus folder call it.</summary>
    string Name { get; }

    /// <summary>A variant of <paramref name="input"/> that knows the format; <paramref name="other"/> is another entry to take parts from.</summary>
    byte[] Mutate(byte[] input, byte[] other, Random random);

    /// <summary>Runs the input through. Documented refusals are outcomes; any other exception escapes and is a finding.</summary>
    /// <returns>What happened, without names and numbers: inputs that reach something new are mutated further.</returns>
    string Run(byte[] input);
}
