using System.Text.Json;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Output;

namespace Orchestrator.Cli.Tests;

/// <summary>Runs the command line in memory.</summary>
internal sealed class TestConsole(string? workingFolder = null) : IDisposable
{
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public string Output => _output.ToString();

    public string Error => _error.ToString();

    public CancellationToken Interruption { get; init; }

    public MachineLimits Limits { get; init; } = MachineLimits.OfThisMachine();

    public Func<IBlobStore, IBlobStore> Medium { get; init; } = store => store;

    /// <summary>Variables of the environment; of this process's own none is seen.</summary>
    public Dictionary<string, string> Variables { get; } = [];

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public void Dispose()
    {
        _output.Dispose();
        _error.Dispose();
    }

    public Task<int> RunAsync(params string[] arguments) => OrcCommand.InvokeAsync(arguments, new Surroundings
    {
        Terminal = new Terminal { Output = _output, Error = _error },
        Clock = TimeProvider.System,
        WorkingFolder = workingFolder ?? Path.GetTempPath(),
        Interruption = Interruption,
        Cores = 2,
        Limits = Limits,
        Medium = Medium,
        Variable = Variables.GetValueOrDefault,
    });
}
