using Microsoft.Extensions.Logging;
using Orchestrator.Grains.Abstractions;
using Orleans;

namespace Orchestrator.Silo;

/// <summary>
/// What went wrong between grains and no retry cures. A job's fault ends that job with the reason and the best model so far; only one
/// that not even this is possible for is the coordinator's.
/// </summary>
internal sealed partial class SiloFaults(IGrainFactory grains, ILogger<SiloFaults> logger)
{
    private readonly TaskCompletionSource<Exception> _fatal = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Task<Exception> Fatal => _fatal.Task;

    public void End(Exception fault) => _fatal.TrySetResult(fault);

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
            End(new AggregateException($"'{key}' failed, and the job could not be ended.", fault, second));
        }
    }
}
