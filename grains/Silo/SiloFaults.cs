using Microsoft.Extensions.Logging;
using Orchestrator.Grains.Abstractions;
using Orleans;

namespace Orchestrator.Silo;

/// <summary>
/// What went wrong between grains and no retry cures. A job's fault ends that job with the reason and the best model so far; only one
/// that not even this is possible for is the coordinator's.
/// </summary>
internal sealed partial class SiloFaults(IGrainFactory grains, SiloEnd end, ILogger<SiloFaults> logger)
{
    /// <param name="key">Of the grain it happened in.</param>
    public async Task ReportAsync(string key, Exception fault)
    {
        LogFault(logger, key, fault);
        if (GrainKeys.ModelOf(key) is not { } model)
            return;
        try
        {
            await grains.GetGrain<ISiloModelGrain>(model).FailAsync($"A grain of the job failed: {fault.Message}", CancellationToken.None);
        }
        catch (Exception second)
        {
            end.Told(new AggregateException($"'{key}' failed, and the job could not be ended.", fault, second));
        }
    }
}

/// <summary>Why the silo has to be made anew, once it has. Depends on nothing, so that everything may depend on it.</summary>
internal sealed class SiloEnd
{
    private readonly TaskCompletionSource<Exception> _fault = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<Exception> Fault => _fault.Task;

    public void Told(Exception fault) => _fault.TrySetResult(fault);
}
