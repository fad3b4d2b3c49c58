using Orleans.Runtime;
using Orleans.Runtime.Messaging;

namespace Orchestrator.Silo;

/// <summary>What the failure of a call tells.</summary>
internal static class CallFailure
{
    /// <summary>The call was lost on its way, or its answer was: whether it was carried out is not known, and it may be made again.</summary>
    public static bool IsTransient(Exception? failure) => failure is TimeoutException or OrleansMessageRejectionException or ConnectionFailedException or ClientNotAvailableException;
}
