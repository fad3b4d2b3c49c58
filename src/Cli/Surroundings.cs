using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Output;

namespace Orchestrator.Cli;

/// <summary>What the program gets from the machine it runs on, handed in so that tests can bring their own.</summary>
internal sealed record Surroundings
{
    public required Terminal Terminal { get; init; }
    public required TimeProvider Clock { get; init; }

    /// <summary>Absolute path that <c>--store</c> and <c>--out</c> are relative to.</summary>
    public required string WorkingFolder { get; init; }

    /// <summary>Cancelled by the first Ctrl-C or SIGTERM.</summary>
    public CancellationToken Interruption { get; init; }

    public required int Cores { get; init; }

    /// <summary>Memory and disk to plan for.</summary>
    public MachineLimits Limits { get; init; } = MachineLimits.OfThisMachine();

    /// <summary>What lies between a job and its store; tests let it fail.</summary>
    public Func<IBlobStore, IBlobStore> Medium { get; init; } = static store => store;

    /// <summary>Value of an environment variable; null where it is not set.</summary>
    public Func<string, string?> Variable { get; init; } = static name => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;

    public string Resolve(string path) => Path.GetFullPath(path, WorkingFolder);
}
