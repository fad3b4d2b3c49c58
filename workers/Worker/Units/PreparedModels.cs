using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Worker.Units;

/// <summary>The last prepared model: all units of a job ask for the same one. Each gets a copy, whose tensors share their content.</summary>
internal sealed class PreparedModels : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1, 1);
    private volatile Prepared? _last;

    public async Task<OnnxModel> GetAsync(BlobRef blob, BatchNormMode batchNorm, UnitInputs inputs)
    {
        await _turn.WaitAsync(inputs.CancellationToken);
        try
        {
            if (_last is { } last && last.Sha256 == blob.Sha256 && last.BatchNorm == batchNorm)
            {
                last.Readers.Add(inputs.Context);
                return last.Model.Clone();
            }

            var readers = new WeightReaders();
            readers.Add(inputs.Context);
            var model = ModelPreparation.Prepare(await inputs.ModelAsync(blob, readers.FileOf), batchNorm);
            _last = new Prepared(blob.Sha256, batchNorm, model, readers);
            return model.Clone();
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <summary>Forgets it.</summary>
    public void Reclaim() => _last = null;

    public void Dispose() => _turn.Dispose();

    private sealed record Prepared(string Sha256, BatchNormMode BatchNorm, OnnxModel Model, WeightReaders Readers);
}
