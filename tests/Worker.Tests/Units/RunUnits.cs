using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Tests.Units;

/// <summary>What tests of units run them with: a runner over the runtime, blobs in memory, a model and calibration samples among them.</summary>
internal sealed class RunUnits : IDisposable
{
    public RunUnits(byte[] model)
    {
        Runner = new UnitRunner(new ModelRuntime(Environment), KernelWidth.Default, TimeProvider.System);
        Model = Context.Add(Roles.Model, model);
        Data = Context.Add(Roles.Data, TinyGemm.Npy());
    }

    public OrtEnvironment Environment { get; } = new(LoggingLevel.Error);

    public UnitRunner Runner { get; }

    public MemoryUnitContext Context { get; } = new();

    public UnitInput Model { get; set; }

    public UnitInput Data { get; }

    public void Dispose()
    {
        Context.Dispose();
        Runner.Dispose();
        Environment.Dispose();
    }
}
